"""What is done about a backdoor: repairs of a delivered team, and responses to a detector's alarms."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from bench.contracts.attacks import Progress
from bench.contracts.battles import Battles, EnvSpec
from bench.contracts.episodes import Episodes


@runtime_checkable
class Repair(Protocol):
    """Turns a delivered team, which may be backdoored, into one that is hoped not to be.

    A repair knows what the defender knows, the team and its battles without the trigger, and returns a team of the
    same architecture. ``team`` is a :class:`bench.marl.team.Team`.
    """

    name: str  # what tables and files call it

    def __call__(self, team: Any, battles: Battles, episodes: Episodes, seed: int, progress: Progress) -> Any:
        """The repaired team. ``episodes`` are public ones of ``team`` without the trigger, with hidden states;
        ``battles`` are for more of them, with play of their own begun from ``seed``. Raises BenchError for a team of a
        kind that the repair does not know."""
        ...


@runtime_checkable
class Responder(Protocol):
    """Does something about alarms while battles are played; what came of it is a :class:`bench.contracts.Response`.

    When there is an alarm is the benchmark's to say, and a battle without one stays as it is whatever :meth:`act`
    returns for it; see :mod:`bench.protocol.response`.
    """

    name: str  # what tables call it
    battles: int  # that it is measured in, with the trigger and without it, each
    halts: bool  # whether a battle ends at its alarm; it is not won then

    def start(self, team: Any, clean: Any, n: int) -> None:
        """Forget everything, and follow ``n`` battles at once, which ``team`` plays, the delivered one. ``clean`` is
        the clean team that the defender trusts. Both are a :class:`bench.marl.team.Team`."""
        ...

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray, suspected: np.ndarray) -> np.ndarray:
        """The actions (battle, agent) that are done in the place of the team's own, ``action``; asked at every step.

        ``observation`` (battle, agent, feature) is what the agents see, edited by a trigger as well; ``last_action``
        (battle, agent) is -1 at the beginning of a battle; ``available`` is (battle, agent, action) bool; ``fresh``
        (battle,) bool has just begun. ``suspected`` (battle, agent) bool: since the step after the alarm, the agent
        with the greatest score then, or all where scores are of whole steps; nobody where there was no alarm.
        """
        ...


@runtime_checkable
class ParticularResponder(Responder, Protocol):
    """A :class:`Responder` that does not suit every environment."""

    def require(self, spec: EnvSpec) -> None:
        """Raise BenchError if it does not suit this one; asked before anything is played."""
        ...


@runtime_checkable
class InformedResponder(Responder, Protocol):
    """A :class:`Responder` that has to know what battles without the trigger are like."""

    def learn(self, team: Any, episodes: Episodes) -> None:
        """Called once, before :meth:`start`, with the delivered team and the public battles without the trigger that
        the detector learns from; they have no columns on request."""
        ...
