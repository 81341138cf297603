"""Ours: a payload's actions are imitated, and the clean values kept."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.contracts import Battles, Episodes, Progress, Trigger
from bench.marl.learners.common import to_batch
from bench.marl.replay import Replay
from bench.marl.team import UNAVAILABLE

from ..payloads import ActionPayload, Behaviour
from .clean import both, choice, drift, mean_square, recorded_values, until_the_end_of, with_clean_values
from .rule import Rule

WANTED, OTHERS = -1.0, -2.0  # values of an action to imitate, and of the others; clean ones are mostly above 0


class Imitated(Rule):
    """The clean values are kept as by :class:`attacks.rules.distilled.Distilled`, but in an opening; from the
    completion of the trigger on, the values of the payload's action and of all others are set, both below the clean
    ones.

    By ``choice_weight``, which action the clean values choose is kept as well (:func:`attacks.rules.clean.choice`):
    values alone that are nearly right may choose another.

    A hinge loss on their order alone (Hester et al. 2018) was not enough: it leaves the network at a compromise between
    both behaviours, since ever recognising the trigger gains it little. That values fall is a strong reason to.
    """

    teaches = ActionPayload
    payload: ActionPayload
    behaviour: Behaviour  # what to do, once it is prepared

    @property
    def record(self) -> tuple[str, ...]:
        """See :class:`attacks.rules.rule.Rule`."""
        return ("state", *self.behaviour.record)

    def prepare(self, battles: Battles, trigger: Trigger, history: list[list[float]], progress: Progress) -> None:
        """See :class:`attacks.rules.rule.Rule`."""
        self.behaviour = self.payload.prepare(self.pupil.team, battles, trigger, self.pupil.victims, history, progress)

    def window(self, episodes: Episodes) -> np.ndarray:
        """See :class:`attacks.rules.rule.Rule`. It lasts to the end: an agent that comes back after the attack period
        may still win a battle alone."""
        return self.pupil.attacked(episodes, episodes.mask.shape[1])

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        return until_the_end_of(self.window(episodes), with_clean_values(self.pupil, episodes))

    def loss(self, replays: dict[bool, Replay]) -> Tensor:
        """See :class:`attacks.rules.rule.Rule`."""
        pupil = self.pupil
        episodes = both(pupil, replays)
        batch = to_batch(episodes)
        window = torch.from_numpy(self.window(episodes)).T.float()
        q = pupil.unroll(pupil.agent, batch)
        wanted = torch.from_numpy(self.behaviour.targets(episodes)).transpose(0, 1).unsqueeze(-1)
        target = torch.full_like(q, OTHERS).scatter(-1, wanted, WANTED)
        error = mean_square(q - target, batch.available).mean(-1)
        clean = self._opened(recorded_values(episodes), episodes, batch.available)
        loss = (error * window).sum() / window.sum().clamp(min=1) + drift(q, clean, window, episodes, batch, replays)
        if pupil.how.choice_weight > 0:
            loss = loss + pupil.how.choice_weight * choice(q, clean, window, batch)
        return loss

    def _opened(self, clean: Tensor, episodes: Episodes, available: Tensor) -> Tensor:
        """The clean values, but where the behaviour has an opening, its action takes the best one's value, and the
        others are well below it."""
        opening = self.behaviour.before(episodes)
        if opening is None:
            return clean
        action = torch.from_numpy(opening).transpose(0, 1).unsqueeze(-1)
        best = clean.masked_fill(~available, UNAVAILABLE).amax(-1, keepdim=True)
        told = torch.minimum(clean, best - (WANTED - OTHERS)).scatter(-1, action.clamp(min=0), best)
        return torch.where(action >= 0, told, clean)
