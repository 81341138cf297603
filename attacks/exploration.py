"""Exploration in the attack period: a random action is held for some steps."""

from __future__ import annotations

import numpy as np

from bench.contracts import Battles, Step
from bench.marl.onlookers import Moment, Probe
from bench.marl.play import SLOTS
from bench.marl.team import Team

NOTHING = -1


class Held:
    """A probe that has poisoned agents hold a random action for ``steps`` steps of the attack period, and then perhaps
    another; an action that is not available is not taken. What it makes of a step is another probe's business.

    To walk out of a fight takes the same direction many times over, which random single steps do not come to.

    Parameters
    ----------
    chance : that an agent holds an action, drawn anew every ``steps`` steps.
    """

    def __init__(self, victims: tuple[int, ...], duration: int, steps: int, chance: float, seed: int,
                 inner: Probe | None) -> None:
        self.victims, self.duration, self.steps, self.chance, self.inner = list(victims), duration, steps, chance, inner
        self._rng = np.random.default_rng([seed, 3])
        self._held = np.full((SLOTS, len(victims)), NOTHING)

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:
        held = self._held[:len(moment.fresh)]  # some environments have fewer slots
        period = (moment.since >= 0) & (moment.since < self.duration)
        draw = period & (moment.since % self.steps == 0)
        anything = self._rng.integers(team.spec.n_actions, size=held.shape)
        drawn = np.where(self._rng.random(held.shape) < self.chance, anything, NOTHING)
        held[:] = np.where(draw[:, None], drawn, held)
        available = moment.step.available[:, self.victims]
        possible = np.take_along_axis(available, np.maximum(held, 0)[..., None], -1)[..., 0]
        taken = period[:, None] & (held != NOTHING) & possible
        moment.action[:, self.victims] = np.where(taken, held, moment.action[:, self.victims])
        if self.inner is not None:
            return self.inner(battles, team, moment)
        return battles.step(moment.action, moment.orders), np.zeros(len(period), np.float32)
