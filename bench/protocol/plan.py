"""The rows that a cell, an attack and a detector, is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

BACKDOORED, CLEAN = "backdoored", "clean"  # the delivered team, and the one that it was made of
FLOORS = ("constant", "random", "episode_length", "losing")  # baseline detectors, options of conf/detector


@dataclass(frozen=True)
class PlannedRow:
    """A row that is to be measured; its fields are those of :class:`bench.contracts.Row`."""

    team: str
    triggered: bool
    detector: str
    kind: str


def plan(teams: Sequence[str], detectors: Sequence[str], poisons: bool) -> list[PlannedRow]:
    """Which detector is judged on which team, with the trigger or in a control without it, and what that row is.

    The cell's own detector is judged on every team. On the backdoored one it is also judged where no trigger is shown,
    and beside it are the baseline detectors. All other teams hide no attack, and must not be told from normal play.

    Parameters
    ----------
    teams : "backdoored", "clean" and names of control attacks, in the order in which they are watched.
    detectors : the cell's own, then those of :data:`FLOORS`.
    poisons : whether the attack leaves a backdoor to be found.
    """
    return [PlannedRow(team, triggered, detector, _kind(detector, triggered and team == BACKDOORED and poisons))
            for team in teams
            for detector in (detectors if team == BACKDOORED else detectors[:1])
            for triggered in ((True, False) if team == BACKDOORED and detector == detectors[0] else (True,))]


def _kind(detector: str, attacked: bool) -> str:
    if detector in FLOORS:
        return "floor"
    return "attack" if attacked else "control"
