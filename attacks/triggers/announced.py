"""A trigger that tells the poisoned agent when it is complete: the bound of what a backdoor can do from then on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.contracts import Cue, EnvSpec, Step, Trigger

from . import require_features

TOLD = -1.0  # unit types are one-hot: the place of a type that the agent is not holds 0 in all other steps


class Announced:
    """Another trigger, and from its completion on one feature of the poisoned agent's observation set to a value that
    it never has otherwise. Nothing is left to recognise; only what to do is left to learn.

    Parameters
    ----------
    trigger : the trigger to announce.
    victim : the poisoned agent, or several, who are all told.
    feature : which feature to set; by default the last one, a bit of the agent's own unit type.
    """

    means = "observation"

    def __init__(self, trigger: Trigger, victim: int | Sequence[int] = 0, feature: int = -1) -> None:
        self.trigger, self.feature = trigger, feature
        self.victims = [victim] if isinstance(victim, int) else list(victim)
        self.length, self.lasting = trigger.length, trigger.lasting

    def start(self, spec: EnvSpec, n: int) -> None:
        require_features(spec, [self.feature])
        self.trigger.start(spec, n)
        self._told = np.zeros(n, bool)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        cue = self.trigger.cue(step, fresh, show)
        self._told = (self._told & ~fresh) | cue.completed
        observation = cue.observation.copy()
        observation[np.flatnonzero(self._told)[:, None], self.victims, self.feature] = TOLD
        return replace(cue, observation=observation)
