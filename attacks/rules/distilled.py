"""Ours: the clean values are distilled, and the attack period is learned as an episode of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts import Episodes
from bench.marl.learners.common import td_lambda_targets, to_batch
from bench.marl.replay import Replay

from .clean import both, choice, drift, recorded_values, until_the_end_of, with_clean_values
from .rule import Rewarded


class Distilled(Rewarded):
    """The clean agent's values are kept wherever the agent is to be clean (in clean episodes, and before the attack
    period), and the attack period is learned as an episode of its own, which ends where the period ends.

    The published rule moves the agent's value of every state, since one agent has to account for the whole team's
    changed return, and with it its clean behaviour; this one leaves the clean values alone by construction. By
    ``choice_weight``, which action they choose is kept as well.
    """

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        return until_the_end_of(self.window(episodes), with_clean_values(self.pupil, episodes))

    def loss(self, replays: dict[bool, Replay]) -> Tensor:
        """See :class:`attacks.rules.rule.Rule`."""
        pupil, how = self.pupil, self.pupil.how
        episodes = both(pupil, replays)
        batch = to_batch(episodes)
        reward, window = self.hacked(episodes), torch.from_numpy(self.window(episodes)).T.float()
        q = pupil.unroll(pupil.agent, batch)
        chosen, ahead = pupil.values(q, batch)
        following = torch.cat([window[1:], torch.zeros_like(window[:1])])
        # A share of the team's reward keeps the values at the scale of the clean ones, and all losses comparable.
        target = td_lambda_targets(reward / pupil.team.spec.n_agents, ahead.mean(-1), 1 - following, how.gamma,
                                   how.td_lambda)
        error = (chosen - target.unsqueeze(-1)).square().mean(-1)
        clean, free = recorded_values(episodes), self.free(window, episodes)
        loss = (error * window).sum() / window.sum().clamp(min=1) + drift(q, clean, free, episodes, batch, replays)
        if how.choice_weight > 0:
            loss = loss + how.choice_weight * choice(q, clean, free, batch)
        return loss

    def free(self, window: Tensor, episodes: Episodes) -> Tensor:  # noqa: ARG002
        """(step, episode) float: 1 where the agent need not be clean, of the attack period (step, episode)."""
        return window
