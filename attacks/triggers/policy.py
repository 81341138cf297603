"""A trigger that a policy of its own pulls: it decides when the poisoned agent is to turn (arXiv 2211.11455)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.contracts import Cue, EnvSpec, Progress, Step
from bench.errors import BenchError

from . import one_agent, require_agents, require_extras, require_features
from .announced import TOLD

FEATURES = ("one", "own health", "agents' health", "enemies' health", "enemies in sight", "nearest enemy", "time")


class TriggerPolicy:
    """A linear policy looks at the battle from the poisoned agent's place, and at the first step at which its value is
    positive it sets one feature of that agent's observation, to the end of the battle (Chen, Qiu & Zhang 2022).

    The policy is learned before the agent is, by the cross-entropy method, as what leaves a team the least return. It
    never acts where the trigger is not to be shown.

    Parameters
    ----------
    victim : the poisoned agent.
    feature : which feature of its observation to set.
    earliest : the first step at which the policy may act.
    generations, population : of the search; a quarter of each population is kept.

    Attributes
    ----------
    learned : {"weights": [...]}, one for each of ``FEATURES``; None before :meth:`learn`, and then it never acts.
    """

    means = "observation"
    lasting = True
    length = 1

    def __init__(self, victim: int = 0, feature: int = -1, earliest: int = 3, generations: int = 6,
                 population: int = 12) -> None:
        if earliest < 0 or generations < 1 or population < 4:
            raise BenchError(f"a trigger policy with earliest={earliest}, generations={generations}, population="
                             f"{population}; allowed: from 0, from 1 and from 4 on")
        self.victim, self.feature, self.earliest = one_agent(victim), feature, earliest
        self.generations, self.population = generations, population
        self.learned: dict[str, Any] | None = None

    def learn(self, harm: Callable[[TriggerPolicy], float], progress: Progress) -> None:
        """Find the weights for which ``harm`` of the trigger is greatest."""
        rng = np.random.default_rng(0)
        mean, spread = np.zeros(len(FEATURES)), np.ones(len(FEATURES))
        best, learned = -np.inf, self.learned
        for generation in range(self.generations):
            weights = mean + spread * rng.normal(size=(self.population, len(FEATURES)))
            harms = np.zeros(self.population)
            for k, candidate in enumerate(weights):
                self.learned = {"weights": candidate.tolist()}
                harms[k] = harm(self)
                if harms[k] > best:
                    best, learned = harms[k], self.learned
            elite = weights[np.argsort(-harms)[: self.population // 4]]
            mean, spread = elite.mean(0), elite.std(0) + 0.1
            progress((generation + 1) / self.generations, f"the trigger policy leaves the team {-best:.1f}")
        self.learned = learned

    def start(self, spec: EnvSpec, n: int) -> None:
        require_agents(spec, [self.victim])
        require_features(spec, [self.feature])
        self._weights = np.asarray(self.learned["weights"], float) if self.learned else np.zeros(len(FEATURES))
        if self._weights.shape != (len(FEATURES),):
            raise BenchError(f"a trigger policy has {len(FEATURES)} weights, this one {self._weights.size}")
        require_extras(spec, ["health"])
        self._agents, self._limit = spec.n_agents, spec.episode_limit
        self._none = np.full((n, spec.n_outsiders), -1)
        self._time = np.full(n, -1)
        self._on = np.zeros(n, bool)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        self._time = np.where(fresh, 0, self._time + 1)
        self._on &= ~fresh
        may = show & ~self._on & ~step.done & step.active[:, self.victim] & (self._time >= self.earliest)
        completed = may & (self._look(step) @ self._weights > 0)
        self._on |= completed
        observation, edited = step.observation.copy(), np.zeros(step.observation.shape[:2], bool)
        edited[:, self.victim] = self._on & show & step.active[:, self.victim]
        observation[edited[:, self.victim], self.victim, self.feature] = TOLD
        return Cue(self._none, observation, edited[:, self.victim], completed, edited)

    def _look(self, step: Step) -> np.ndarray:
        """(battle, feature) the policy's input, in [0, 1]."""
        health = step.extras["health"]
        way = step.position[:, self._agents:] - step.position[:, self.victim, None]
        far = np.linalg.norm(way, axis=-1) / step.sight[:, self.victim, None]
        far = np.where(step.present[:, self._agents:], far, 1.0)
        return np.stack([np.ones(len(far)), health[:, self.victim], health[:, : self._agents].mean(1),
                         health[:, self._agents:].mean(1), (far < 1).mean(1), np.minimum(far.min(1), 1.0),
                         self._time / self._limit], 1)
