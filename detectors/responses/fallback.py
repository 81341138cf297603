"""The clean team takes over."""

from __future__ import annotations

import numpy as np
import pydantic.dataclasses
from pydantic import PositiveInt

from bench.marl.team import Team, greedy


@pydantic.dataclasses.dataclass(config={"extra": "forbid"})
class Fallback:
    """Lets the clean team act for the suspected agents. It has followed each battle from its beginning, as it was
    really played, and sees what the agents see, observations that a trigger edits as well."""

    battles: PositiveInt
    name: str = "fallback"
    halts = False

    def start(self, team: Team, clean: Team, n: int) -> None:
        """See :class:`bench.contracts.Responder`."""
        self.other_ = self.instead(team, clean)
        self.memory_ = self.other_.start(n)

    def instead(self, team: Team, clean: Team) -> Team:  # noqa: ARG002
        """The team whose networks act for suspected agents."""
        return clean

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray, suspected: np.ndarray) -> np.ndarray:
        """See :class:`bench.contracts.Responder`."""
        self.memory_[:, fresh] = 0
        preferences, self.memory_ = self.other_.act(observation, last_action, self.memory_)
        return np.where(suspected, greedy(preferences, available), action)
