"""Battles are stopped."""

from __future__ import annotations

import numpy as np
import pydantic.dataclasses
from pydantic import PositiveInt

from bench.marl.team import Team


@pydantic.dataclasses.dataclass(config={"extra": "forbid"})
class Halt:
    """Ends a battle at its alarm; it is not won then."""

    battles: PositiveInt
    name: str = "halt"
    halts = True

    def start(self, team: Team, clean: Team, n: int) -> None:
        """See :class:`bench.contracts.Responder`."""

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray,  # noqa: ARG002
            available: np.ndarray, fresh: np.ndarray, suspected: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """See :class:`bench.contracts.Responder`."""
        return action
