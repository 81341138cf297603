"""A trigger that tells the poisoned agent when it is complete: the bound of what a backdoor can do from then on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.contracts import Cue, EnvSpec, Step, Trigger

from . import one_agent, require_features

TOLD = -1.0  # unit types are one-hot: the place of a type that the agent is not holds 0 in all other steps


class Announced:
    """Another trigger, and from its completion on one feature of the poisoned agent's observation set to a value that
    it never has otherwise. Nothing is left to recognise; only what to do is left to learn.

    Parameters
    ----------
    trigger : the trigger to announce.
    victim : the poisoned agent.
    feature : which feature to set; by default the last one, a bit of the agent's own unit type.
    """

    means = "observation"

    def __init__(self, trigger: Trigger, victim: int = 0, feature: int = -1) -> None:
        self.trigger, self.victim, self.feature = trigger, one_agent(victim), feature
        self.length, self.lasting = trigger.length, trigger.lasting

    def start(self, spec: EnvSpec, n: int) -> None:
        require_features(spec, [self.feature])
        self.trigger.start(spec, n)
        self._told = np.zeros(n, bool)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        cue = self.trigger.cue(step, fresh, show)
        self._told = (self._told & ~fresh) | cue.completed
        observation = cue.observation.copy()
        observation[self._told, self.victim, self.feature] = TOLD
        return replace(cue, observation=observation)
