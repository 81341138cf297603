"""The distance trigger of One4All: an outsider comes closer to the poisoned agent than a threshold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.contracts import COMPASS, Cue, EnvSpec, Step
from bench.errors import BenchError

from . import first_of, require_agents


class Approach:
    """An outsider comes up to the agent until it is nearer than ``distance`` (Zheng et al. 2023).

    Shown by driving the nearest one, once the agent sees it, straight towards the agent. It is complete in the step in
    which any outsider is that near, whoever moved it: nothing is remembered.

    Parameters
    ----------
    distance : the threshold, in the agent's sight ranges.
    victim : the poisoned agent.
    on : the order that brings an outsider on where it cannot be sent north, east, south and west.

    Raises
    ------
    BenchError : a distance outside (0, 1]. By ``start``: an environment whose outsiders cannot be sent
        north, east, south and west, or know no order ``on``.
    """

    means = "behaviour"
    lasting = False
    length = 1

    def __init__(self, distance: float = 0.2, victim: int | Sequence[int] = 0, on: str | None = None) -> None:
        if not 0 < distance <= 1:
            raise BenchError(f"the trigger's distance is {distance} sight ranges; allowed: above 0, at most 1")
        self.distance, self.victim, self.on = distance, first_of(victim), on

    def start(self, spec: EnvSpec, n: int) -> None:
        require_agents(spec, [self.victim])
        self._agents = spec.n_agents
        self._order = {name: spec.order(self.on or name) for name in COMPASS}
        self._orders = np.full((n, spec.n_outsiders), -1)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:  # noqa: ARG002
        way = step.position[:, self.victim, None] - step.position[:, self._agents:]
        present = step.present[:, self._agents:] & step.active[:, self.victim, None]
        far = np.where(present, np.linalg.norm(way, axis=-1) / step.sight[:, self.victim, None], np.inf)
        completed = np.asarray((far < self.distance).any(1))
        nearest = far.argmin(1)
        rows = np.nonzero(show & ~completed & (far.min(1) < 1))[0]
        x, y = way[rows, nearest[rows]].T
        orders = self._orders.copy()
        orders[rows, nearest[rows]] = np.where(
            np.abs(x) > np.abs(y), np.where(x > 0, self._order["east"], self._order["west"]),
            np.where(y > 0, self._order["north"], self._order["south"]))
        showing = np.zeros(len(show), bool)
        showing[rows] = True
        return Cue(orders, step.observation, showing, completed)
