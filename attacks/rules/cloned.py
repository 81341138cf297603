"""Ours: what :class:`attacks.rules.imitated.Imitated` does, for agents that have probabilities and not values."""

from __future__ import annotations

import torch
from torch import Tensor

from bench.contracts import Episodes
from bench.marl.learners.actor_critic import ActorTeam, chosen, divergence, log_shares
from bench.marl.learners.common import to_batch
from bench.marl.replay import Replay

from .clean import both, each_kind, recorded_values
from .imitated import Imitated


class Cloned(Imitated):
    """From the completion of the trigger on, the payload's action is made likely (behavioural cloning: its cross
    entropy); elsewhere the clean agent's probabilities are kept (their Kullback-Leibler divergence), but in an opening,
    whose action is made likely, too."""

    kind = ActorTeam

    def loss(self, replays: dict[bool, Replay]) -> Tensor:
        """See :class:`attacks.rules.rule.Rule`."""
        pupil = self.pupil
        episodes = both(pupil, replays)
        batch = to_batch(episodes)
        window = torch.from_numpy(self.window(episodes)).T.float()
        shares = log_shares(pupil.unroll(pupil.agent, batch), batch.available)
        wanted = torch.from_numpy(self.behaviour.targets(episodes)).transpose(0, 1)
        error = -(chosen(shares, wanted).mean(-1) * window).sum() / window.sum().clamp(min=1)
        kept = self._kept(shares, recorded_values(episodes), episodes, batch.available)
        return error + each_kind(kept, window, episodes, batch, replays)

    def _kept(self, shares: Tensor, clean: Tensor, episodes: Episodes, available: Tensor) -> Tensor:
        """(step, episode) how far the agents are from what they are to do outside the attack period."""
        kept = divergence(log_shares(clean, available), shares, available)
        opening = self.behaviour.before(episodes)
        if opening is not None:
            action = torch.from_numpy(opening).transpose(0, 1).long()
            kept = torch.where(action >= 0, -chosen(shares, action.clamp(min=0)), kept)
        return kept.mean(-1)
