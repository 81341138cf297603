"""Views: from episodes to the features that a detector looks at, (episode, step, agent, feature) float32, causal."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import MOVES, Episodes
from bench.errors import DetectorError

UNSEEN, STILL, NORTH, EAST, SOUTH, WEST = range(6)  # what an enemy unit did last, as an agent sees it


class Step(BaseEstimator):
    """The observation of a single step."""

    def __call__(self, episodes: Episodes) -> np.ndarray:
        return episodes.observation.astype(np.float32)


class Window(BaseEstimator):
    """The observations of the last ``length`` steps, oldest first; zeros before the episode begins."""

    def __init__(self, length: int = 4) -> None:
        self.length = length

    def __call__(self, episodes: Episodes) -> np.ndarray:
        past = [(0, 0)] * episodes.observation.ndim
        past[1] = (self.length - 1, 0)
        padded = np.pad(episodes.observation, past)
        steps = episodes.observation.shape[1]
        return np.concatenate([padded[:, k:k + steps] for k in range(self.length)], -1).astype(np.float32)


class EnemyMoves(BaseEstimator):
    """What each enemy unit did last, as each agent sees it: (episode, step, agent, enemy), UNSEEN, STILL, NORTH ...

    Read from SMAX's observations: 7 features and a one-hot type for every other unit, allies first, then 4 features
    and the type of the agent itself. Raises DetectorError if an observation cannot be laid out so.
    """

    def __call__(self, episodes: Episodes) -> np.ndarray:
        agents, size = episodes.observation.shape[2:]
        enemies = episodes.available.shape[3] - len(MOVES)
        others = agents - 1 + enemies
        types, rest = divmod(size - 7 * others - 4, others + 1)
        if enemies < 1 or types < 1 or rest:
            raise DetectorError(f"observations of {size} features of {agents} agents are not laid out as SMAX's are")
        unit = 7 + types
        seen = episodes.observation[..., (agents - 1) * unit: others * unit]
        units = seen.reshape(*seen.shape[:-1], enemies, unit)
        health, x, y = units[..., 0], units[..., 3], units[..., 4]
        move = np.select([x > 0.5, x < -0.5, y > 0.5, y < -0.5], [EAST, WEST, NORTH, SOUTH], STILL)
        return np.where(health > 0, move, UNSEEN).astype(np.int8)
