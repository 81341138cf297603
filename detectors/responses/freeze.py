"""The suspected agent keeps to one action that does no harm."""

from __future__ import annotations

import numpy as np
import pydantic.dataclasses
from pydantic import PositiveInt

from bench.contracts import EnvSpec
from bench.marl.team import Team


@pydantic.dataclasses.dataclass(config={"extra": "forbid"})
class Freeze:
    """Has a suspected agent do nothing but one action, where that is available: it cannot be used against its team, nor
    does it help.

    Parameters
    ----------
    action : one of the environment's names of actions.

    Raises
    ------
    BenchError : by ``require``, if the environment has no such action.
    """

    battles: PositiveInt
    action: str
    name: str = "freeze"
    halts = False

    def require(self, spec: EnvSpec) -> None:
        """See :class:`bench.contracts.ParticularResponder`."""
        self.number_ = spec.action(self.action)

    def start(self, team: Team, clean: Team, n: int) -> None:
        """See :class:`bench.contracts.Responder`."""

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray,  # noqa: ARG002
            available: np.ndarray, fresh: np.ndarray, suspected: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """See :class:`bench.contracts.Responder`."""
        return np.where(suspected & available[..., self.number_], self.number_, action)
