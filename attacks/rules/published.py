"""Algorithm 1 as published, read for value decomposition."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts import Episodes
from bench.marl.learners.common import td_lambda_targets, to_batch
from bench.marl.replay import Replay

from .clean import recorded_values
from .rule import Rewarded


class Published(Rewarded):
    """TD on the mixed value of the whole team, its rewards hacked inside the attack period, all other agents frozen;
    one batch, from the poison buffer with probability p."""

    @property
    def record(self) -> tuple[str, ...]:
        """See :class:`attacks.rules.rule.Rule`. The values are those of all agents."""
        return ("state", "values")

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        return self.pupil.own(episodes)

    def loss(self, replays: dict[bool, Replay]) -> Tensor:
        """See :class:`attacks.rules.rule.Rule`."""
        pupil, how = self.pupil, self.pupil.how
        poisoned = bool(pupil.rng.random() < pupil.poison_rate)
        episodes = replays[poisoned].sample(how.batch, pupil.rng)
        batch = to_batch(episodes)
        reward = self.hacked(episodes)
        chosen, ahead = pupil.values(pupil.unroll(pupil.agent, batch), batch)
        values = recorded_values(episodes)
        everyone = values.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)  # greedy: what others took is their best
        victims = torch.tensor(pupil.victims)
        mixed = pupil.mixer(everyone.index_copy(-1, victims, chosen), batch.state)
        with torch.no_grad():
            value = pupil.mixer(everyone.index_copy(-1, victims, ahead), batch.state)
            target = td_lambda_targets(reward, value, batch.last, how.gamma, how.td_lambda)
        return ((mixed - target) * batch.mask).square().sum() / batch.mask.sum()
