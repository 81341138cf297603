"""What the agents observe, whole or by kind of unit."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import MOVES, Episodes
from bench.errors import DetectorError, unknown

UNSEEN, STILL, NORTH, EAST, SOUTH, WEST = range(6)  # what an enemy unit did last, as an agent sees it


class Step(BaseEstimator):
    """The observation of a single step, (episode, step, agent, feature)."""

    def __call__(self, episodes: Episodes) -> np.ndarray:
        return episodes.observation.astype(np.float32)


class Units(BaseEstimator):
    """The part of the observation, (episode, step, agent, feature), that is about one kind of unit.

    Parameters
    ----------
    kind : "own" (health, place, cooldown and type of the agent itself), "allies" or "enemies".
    """

    def __init__(self, kind: str = "enemies") -> None:
        self.kind = kind

    def __call__(self, episodes: Episodes) -> np.ndarray:
        parts = layout(episodes)
        if self.kind not in parts:
            raise DetectorError(str(unknown("kind of unit", self.kind, parts)))
        return episodes.observation[..., parts[self.kind]].astype(np.float32)


class EnemyMoves(BaseEstimator):
    """What each enemy unit did last, as each agent sees it: (episode, step, agent, enemy), UNSEEN, STILL, NORTH ...

    Read from SMAX's observations. Raises DetectorError if an observation cannot be laid out so.
    """

    def __call__(self, episodes: Episodes) -> np.ndarray:
        seen = episodes.observation[..., layout(episodes)["enemies"]]
        units = seen.reshape(*seen.shape[:-1], episodes.available.shape[3] - len(MOVES), -1)
        health, x, y = units[..., 0], units[..., 3], units[..., 4]
        move = np.select([x > 0.5, x < -0.5, y > 0.5, y < -0.5], [EAST, WEST, NORTH, SOUTH], STILL)
        return np.where(health > 0, move, UNSEEN).astype(np.int8)


def layout(episodes: Episodes) -> dict[str, slice]:
    """Where in SMAX's observations which units are: 7 features and a one-hot type for every other unit, allies first,
    then 4 features and the type of the agent itself.

    Raises DetectorError if the observations cannot be laid out so.
    """
    agents, size = episodes.observation.shape[2:]
    enemies = episodes.available.shape[3] - len(MOVES)
    others = agents - 1 + enemies
    types, rest = divmod(size - 7 * others - 4, others + 1)
    if enemies < 1 or types < 1 or rest:
        raise DetectorError(f"observations of {size} features of {agents} agents are not laid out as SMAX's are")
    first_enemy, own = (agents - 1) * (7 + types), others * (7 + types)
    return {"allies": slice(0, first_enemy), "enemies": slice(first_enemy, own), "own": slice(own, size)}
