"""What the cells of one process share."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from bench.protocol.watch import Watched

T = TypeVar("T")


class Memory:
    """The battles of the teams watched last, and what the floors make of them, for the cells of one process that differ
    in the detector alone."""

    def __init__(self, teams: int = 3) -> None:
        self.teams = teams
        self._kept: dict[Hashable, tuple[frozenset[str], Watched]] = {}
        self._made: dict[Hashable, Any] = {}

    def watched(self, key: Hashable, record: frozenset[str], play: Callable[[frozenset[str]], Watched]) -> Watched:
        """What ``play`` with the columns ``record``, and any that were needed before, gives for this key."""
        known, found = self._kept.pop(key, (frozenset(), None))
        if found is None or not record <= known:
            found = None  # before more is played: battles are large
            while len(self._kept) >= self.teams:
                self._kept.pop(next(iter(self._kept)))
            found, known = play(record | known), record | known
        self._kept[key] = known, found
        return found

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gave when it was first called for this key."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]
