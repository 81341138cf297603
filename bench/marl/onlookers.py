"""Who looks on while battles are played: probes, which may make a step themselves, and guards, which may act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from bench.contracts import Battles, Episodes, Step
from bench.marl.team import Team


@dataclass(frozen=True)
class Moment:
    """All battles in the middle of a step: the actions are chosen, the step is not made yet."""

    step: Step
    observation: np.ndarray  # (battle, agent, feature), as the agents saw it
    last_action: np.ndarray  # (battle, agent), -1 at the beginning
    action: np.ndarray  # (battle, agent)
    orders: np.ndarray  # (battle, outsider)
    hidden: Tensor  # (agent, battle, unit), after the observation
    fresh: np.ndarray  # (battle,) bool: has just begun
    since: np.ndarray  # (battle,) steps since the trigger was complete, negative where it never was
    edited: np.ndarray  # (battle, agent) bool: whose observations the trigger has tampered with


class Probe(Protocol):
    """Makes the step itself, and may look at what else could have happened on the way. What it writes into
    ``moment.action`` is recorded as what was done."""

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:
        """The next step, and a value (battle,) to record as ``labels.probe``."""
        ...


class Guard(Protocol):
    """Looks on while battles are played, and may act for the team or end a battle once it has raised an alarm."""

    halts: bool  # whether a battle ends at the alarm

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray) -> np.ndarray:
        """The actions (battle, agent) that are done in the place of the team's; asked at every step of every battle.
        ``fresh`` (battle,) has just begun."""
        ...

    def look(self, episodes: Episodes, slots: np.ndarray) -> np.ndarray:
        """(episode,) bool: in which battles an alarm is raised, from all that is recorded of them up to the step just
        made. Battles that have an alarm, or are over with this step, are not shown. ``slots`` (episode,) says where
        among the battles of ``act`` they are."""
        ...
