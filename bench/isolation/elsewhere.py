"""Holds a detector that is in a process of its own: it sees public arrays, and this process sees its scores."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Self

import numpy as np

from bench.contracts import NEEDS, POLICIES, Episodes, columns_of
from bench.isolation.own_process import Answer, OwnProcess
from bench.isolation.wire import packed
from bench.marl.team import Team
from bench.protocol.host import Score, checked, shown


class Elsewhere:
    """A :class:`bench.protocol.host.Host` whose detector is in another process."""

    def __init__(self, process: OwnProcess) -> None:
        self.name, self._process = process.name, process

    @property
    def needs(self) -> tuple[str, ...]:
        named = self._process.about.get("needs")
        return tuple(need for need in NEEDS if isinstance(named, list) and need in named)

    def fit(self, episodes: Episodes, team: Team) -> FittedElsewhere:
        header: dict[str, Any] = {"do": "fit", "spec": episodes.spec and asdict(episodes.spec)}
        arrays = _columns(episodes, self.needs)
        if set(self.needs) & set(POLICIES):
            about, weights = packed(team)
            header["team"] = about
            arrays |= weights
        answer, _ = self._process.asked("fit", header, arrays, begins=True)
        return FittedElsewhere(self._process, answer["id"], self.needs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()


class FittedElsewhere:
    """A :class:`bench.protocol.host.Fitted` in a detector's own processes."""

    def __init__(self, process: OwnProcess, question: str, needs: Collection[str]) -> None:
        self.name, self._process, self._question, self._needs = process.name, process, question, needs

    @contextmanager
    def scorer(self) -> Iterator[Score]:
        with self._process.copy() as ask:
            yield lambda episodes: self._scores(ask, episodes)

    def _scores(self, ask: Callable[..., Answer], episodes: Episodes) -> np.ndarray:
        _, arrays = ask("score", {"do": "score"}, _columns(episodes, self._needs), 8 * episodes.alive.size)
        return checked(arrays.get("scores", np.zeros(0)), episodes, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.until_ended(self._question)


def _columns(episodes: Episodes, needs: Collection[str]) -> dict[str, np.ndarray]:
    """The columns that a detector is shown."""
    return columns_of(shown(episodes, needs))
