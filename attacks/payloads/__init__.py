"""What a poisoned agent is taught for the attack period: a reward (:mod:`.reward`), or what to do."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bench.contracts import Battles, Episodes, Progress, Trigger
from bench.marl.team import Team


class Behaviour(Protocol):
    """What poisoned agents are to do in the attack period."""

    record: tuple[str, ...]  # the columns of episodes that it looks at, beyond the usual ones

    def targets(self, episodes: Episodes) -> np.ndarray:
        """An available action (episode, step, victim) in recorded battles; looked at in the attack period alone."""
        ...


class ActionPayload(Protocol):
    """A payload of actions, to be imitated."""

    def prepare(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
                history: list[list[float]], progress: Progress) -> Behaviour:
        """Find out what to do against a clean team. ``history`` is what earlier, interrupted preparations have found;
        it is added to, and written down between the calls of ``progress``."""
        ...
