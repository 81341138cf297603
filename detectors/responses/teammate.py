"""A teammate's network takes over."""

from __future__ import annotations

import numpy as np
import pydantic.dataclasses
from pydantic import PositiveInt

from bench.marl.team import Team, greedy


@pydantic.dataclasses.dataclass(config={"extra": "forbid"})
class Teammate:
    """Lets a suspected agent act by the network of the next agent of the delivered team (of the last one, the first's),
    with its own observation and id: a defender needs no clean team for it. Agents that were trained together share a
    network, or can do each other's work; where the next agent is poisoned as well, nothing is gained. The network has
    followed each battle in the agent's place from its beginning.
    """

    battles: PositiveInt
    name: str = "teammate"
    halts = False

    def start(self, team: Team, clean: Team, n: int) -> None:  # noqa: ARG002
        """See :class:`bench.contracts.Responder`."""
        self.shifted_ = team.with_weights({name: weight.roll(-1, 0) for name, weight in team.weights.items()})
        self.memory_ = self.shifted_.start(n)

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray, suspected: np.ndarray) -> np.ndarray:
        """See :class:`bench.contracts.Responder`."""
        self.memory_[:, fresh] = 0
        preferences, self.memory_ = self.shifted_.act(observation, last_action, self.memory_)
        return np.where(suspected, greedy(preferences, available), action)
