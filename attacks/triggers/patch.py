"""The instant trigger: features of the poisoned agents' observations are set by whoever can tamper with a sensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.contracts import Cue, EnvSpec, Step
from bench.errors import BenchError

from . import require_agents, require_features


class Patch:
    """From a step on, features of some agents' observations are replaced by values drawn uniformly.

    Complete when an agent has been shown the patch ``length`` times; nobody else can show it, so it is looked for where
    it is shown alone.

    Parameters
    ----------
    agents : whose observations are edited: one, several, or None for all agents.
    features : which of their features, negative ones counted from the end.
    low, high : the range of the values.
    add : the values are added to the features instead of replacing them.
    start : the first step of a battle at which the patch is shown.
    length : how many showings complete the trigger.
    steps : for how many steps it is shown from ``start`` on; None to the end of the battle.
    chance : that an agent is shown the patch in a step.
    partly : each showing edits a random choice of the features, at least one and never all.

    Raises
    ------
    BenchError : a range, chance or number of steps that makes no sense, features that are none.
    """

    means = "observation"
    lasting = True

    def __init__(self, agents: int | Sequence[int] | None, features: Sequence[int], low: float = 1.0, high: float = 1.0,
                 add: bool = False, start: int = 6, length: int = 1, steps: int | None = 1, chance: float = 1.0,
                 partly: bool = False) -> None:
        if not features or len(set(features)) != len(features):
            raise BenchError(f"the patch has features {list(features)}; at least one is needed, and none twice")
        if not low <= high:
            raise BenchError(f"the patch takes values from {low} to {high}; the first must not be greater")
        if not 0 < chance <= 1:
            raise BenchError(f"the patch has chance {chance}; allowed: above 0, at most 1")
        if length < 1 or start < 0 or (steps is not None and steps < length):
            raise BenchError(f"a patch from step {start} on for {steps} steps is never shown {length} times")
        if partly and len(features) == 1:
            raise BenchError("a patch of one feature cannot be shown partly")
        self.agents = [agents] if isinstance(agents, int) else agents
        self.features = list(features)
        self.low, self.high, self.add, self.start_at = low, high, add, start
        self.length, self.steps, self.chance, self.partly = length, steps, chance, partly

    def start(self, spec: EnvSpec, n: int) -> None:
        require_features(spec, self.features)
        self._agents = np.arange(spec.n_agents) if self.agents is None else np.asarray(self.agents)
        require_agents(spec, self._agents.tolist())
        if self.start_at + self.length > spec.episode_limit:
            raise BenchError(f"a trigger of {self.length} steps from step {self.start_at} on does not fit an episode "
                             f"of {spec.episode_limit} steps")
        self._rng = np.random.default_rng(0)
        self._none = np.full((n, spec.n_outsiders), -1)
        self._time = np.full(n, -1)
        self._shown = np.zeros((n, len(self._agents)), int)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        self._time = np.where(fresh, 0, self._time + 1)
        self._shown[fresh] = 0
        open_ = self._time >= self.start_at
        if self.steps is not None:
            open_ &= self._time < self.start_at + self.steps
        edited = (open_ & show & ~step.done)[:, None] & step.active[:, self._agents]
        edited &= self._rng.random(edited.shape) < self.chance
        self._shown += edited
        observation = step.observation
        if edited.any():
            observation = self._edit(observation, edited)
        everyone = np.zeros(step.active.shape, bool)
        everyone[:, self._agents] = edited
        return Cue(self._none, observation, edited.any(1), (self._shown == self.length).any(1) & edited.any(1),
                   everyone)

    def _edit(self, observation: np.ndarray, edited: np.ndarray) -> np.ndarray:
        values = self._rng.uniform(self.low, self.high, (*edited.shape, len(self.features)))
        chosen = np.broadcast_to(edited[..., None], values.shape)
        if self.partly:
            k = len(self.features)
            rank = self._rng.random(values.shape).argsort(-1).argsort(-1)
            chosen = chosen & (rank < self._rng.integers(1, k, size=(*edited.shape, 1)))
        out = observation.copy()
        place = np.ix_(np.arange(len(out)), self._agents, np.asarray(self.features))
        before = out[place]
        out[place] = np.where(chosen, values + before if self.add else values, before)
        return out
