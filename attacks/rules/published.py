"""The paper's Algorithm 1, read for value decomposition, to the letter or with named departures."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts import Episodes
from bench.marl.learners.common import Batch, td_lambda_targets, to_batch
from bench.marl.replay import Replay

from .clean import choice, recorded_values, until_the_end_of
from .rule import Rewarded

DEPARTURES = ("own_value", "shared_reward", "closed_onset", "period_alone")


class Published(Rewarded):
    """TD on the mixed value of the whole team, its rewards hacked inside the attack period, all other agents frozen;
    one batch, from the poison buffer with probability p.

    To the letter it teaches the agent not to be triggered: what happens after the onset flows back over it. Each of
    these departures may be made, in any combination:

    own_value : the poisoned agents' own values are learned, not the mixed one of the team.
    shared_reward : the reward is divided by the team's size, an agent's share of a sum of values.
    closed_onset : no value crosses the onset: for the agent an episode ends there.
    period_alone : of poisoned episodes nothing but the attack period is learned from, as an episode of its own. (No
        value crosses the onset then, either.)

    By ``choice_weight``, which action the clean agents would choose is kept outside the attack period as well.
    """

    departures = DEPARTURES

    @property
    def record(self) -> tuple[str, ...]:
        """See :class:`attacks.rules.rule.Rule`. The values are those of all agents."""
        return ("state",) if self._departs("own_value") else ("state", "values")

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        own, window = self.pupil.own(episodes), self.window(episodes)
        if self._departs("period_alone"):
            own = until_the_end_of(window, own)[window.any(1) | ~episodes.labels.poisoned]
        return own

    def loss(self, replays: dict[bool, Replay]) -> Tensor:
        """See :class:`attacks.rules.rule.Rule`."""
        pupil = self.pupil
        poisoned = bool(pupil.rng.random() < pupil.poison_rate)
        episodes = replays[poisoned].sample(pupil.how.batch, pupil.rng)
        batch = to_batch(episodes)
        q = pupil.unroll(pupil.agent, batch)
        window = torch.from_numpy(self.window(episodes)).T.float()
        learned = window if poisoned and self._departs("period_alone") else batch.mask
        loss = (self.error(q, episodes, batch, window) * learned).sum() / learned.sum().clamp(min=1)
        if pupil.how.choice_weight > 0:
            with torch.no_grad():
                clean = pupil.unroll(pupil.clean, batch)
            loss = loss + pupil.how.choice_weight * choice(q, clean, window, batch)
        return loss

    def error(self, q: Tensor, episodes: Episodes, batch: Batch, window: Tensor) -> Tensor:
        """The squared TD error (step, episode) of the poisoned agents' values ``q``."""
        pupil, how = self.pupil, self.pupil.how
        reward = self.hacked(episodes)
        if self._departs("shared_reward"):
            reward = reward / pupil.team.spec.n_agents
        chosen, ahead = pupil.values(q, batch)
        last = batch.last
        if self._departs("closed_onset"):
            onset = torch.cat([window[1:] > window[:-1], torch.zeros_like(window[:1], dtype=torch.bool)])
            last = torch.maximum(last, onset.float())
        if self._departs("own_value"):
            target = td_lambda_targets(reward, ahead.mean(-1), last, how.gamma, how.td_lambda)
            return (chosen - target.unsqueeze(-1)).square().mean(-1)
        values = recorded_values(episodes)
        everyone = values.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)  # greedy: what others took is their best
        victims = torch.tensor(pupil.victims)
        mixed = pupil.mixer(everyone.index_copy(-1, victims, chosen), batch.state)
        with torch.no_grad():
            value = pupil.mixer(everyone.index_copy(-1, victims, ahead), batch.state)
            target = td_lambda_targets(reward, value, last, how.gamma, how.td_lambda)
        return (mixed - target).square()

    def _departs(self, departure: str) -> bool:
        return departure in self.pupil.departures
