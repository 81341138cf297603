"""Battles: what an environment is, and how a batch of battles is stepped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Identity:
    """Which environment: ``id`` names simulator, map and opponent ("smax/8m/random"); ``version`` changes whenever the
    same actions may lead to other battles."""

    id: str
    version: str


@dataclass(frozen=True)
class EnvSpec(Identity):
    """What is fixed about an environment. ``sight_range`` (of the agents' usual unit types) and ``map_size`` are in map
    units."""

    n_agents: int
    n_enemies: int
    observation_size: int
    state_size: int
    n_actions: int
    episode_limit: int
    sight_range: tuple[float, ...]
    map_size: tuple[float, float]


@dataclass(frozen=True)
class Step:
    """All battles after a reset or a step. ``units`` counts agents first, then enemies.

    A battle whose ``done`` is true stands still and earns no reward until it is replaced.
    """

    observation: np.ndarray  # (battle, agent, feature) float32, about [-1, 1]
    state: np.ndarray  # (battle, feature) float32 in [0, 1]: the whole battle, for the mixer in training alone
    available: np.ndarray  # (battle, agent, action) bool
    reward: np.ndarray  # (battle,) of the team, SMAC's scale: a perfect win returns 20
    done: np.ndarray  # (battle,) bool
    won: np.ndarray  # (battle,) bool; a draw or a timeout is no win
    alive: np.ndarray  # (battle, unit) bool
    position: np.ndarray  # (battle, unit, 2) map units; x grows to the east, y to the north
    health: np.ndarray  # (battle, unit) in [0, 1]
    sight: np.ndarray  # (battle, agent) how far each agent sees, in map units
    enemy_actions: np.ndarray  # (battle, enemy) int, what each enemy did in the last step; -1 before the first


class Battles(Protocol):
    """A batch of battles stepped together. A battle is named by (seed, number), whatever batch it is played in."""

    spec: EnvSpec

    def reset(self, seed: int, battles: np.ndarray) -> Step:
        """Begin the battles with these numbers, one a slot."""
        ...

    def step(self, actions: np.ndarray, enemy_orders: np.ndarray | None = None) -> Step:
        """Play one step: ``actions`` (battle, agent); ``enemy_orders`` (battle, enemy), -1 leaves a unit alone."""
        ...

    def replace(self, slots: np.ndarray, battles: np.ndarray) -> Step:
        """Begin other battles in some slots; cheapest when their numbers follow one another."""
        ...

    def snapshot(self) -> Any:
        """The exact state of all battles, for :meth:`restore`."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Go back: the same actions from here lead to the same battles."""
        ...


NOBODY, NEVER = -1, -1
MOVES = {"north": 0, "east": 1, "south": 2, "west": 3, "stop": 4}
