"""Who holds a model detector while it is asked about teams: this process, or one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from bench.contracts import RECORDABLE, SHOWN, Battles, Episodes, columns_of, needed
from bench.contracts.calls import Raised, ask
from bench.errors import DetectorError
from bench.isolation.own_process import OwnProcess
from bench.isolation.wire import packed
from bench.marl.team import Team


class ModelHost(Protocol):
    """Holds a model detector; see :class:`bench.contracts.ModelDetector`."""

    kind: str  # of its answers: "score", "statistic", or "" if it has neither method
    learns: bool  # whether it has ``fit``
    needs: tuple[str, ...]  # those of :data:`bench.contracts.SHOWN`

    def teach(self, teams: Sequence[Team], labels: np.ndarray) -> None:
        """Let it learn from teams and their labels (team,) bool. Raises DetectorError if it fails."""
        ...

    def ask(self, team: Team, battles: Battles, episodes: Episodes | None) -> Any:
        """Its answer, unchecked. Raises DetectorError if it fails."""
        ...


class ModelInProcess:
    """In this process."""

    def __init__(self, detector: Any, name: str) -> None:
        self._detector, self._name = detector, name
        self.kind, self.learns, self.needs = described(detector)

    def teach(self, teams: Sequence[Team], labels: np.ndarray) -> None:
        self._call("fit", list(teams), labels)

    def ask(self, team: Team, battles: Battles, episodes: Episodes | None) -> Any:
        return self._call(self.kind, team, battles, episodes)

    def _call(self, method: str, *given: Any) -> Any:
        try:
            return ask(lambda: getattr(self._detector, method)(*given))
        except Raised as error:
            raise DetectorError(f"{self._name}.{method} failed: {error}") from error


class ModelElsewhere:
    """In processes of its own: each team is judged by a fresh copy, which has seen no other but those it was taught
    with. It is given the team's networks, public episodes, and a simulator made anew, which may be of a package
    ``trusted``.
    """

    def __init__(self, process: OwnProcess, trusted: frozenset[str] = frozenset()) -> None:
        self._process, self._trusted, about = process, sorted(trusted), process.about
        self.kind = about["kind"] if about.get("kind") in ("score", "statistic") else ""
        self.learns = about.get("learns") is True
        named = about.get("needs")
        self.needs = tuple(need for need in SHOWN if isinstance(named, list) and need in named)
        self._ready = False

    def teach(self, teams: Sequence[Team], labels: np.ndarray) -> None:
        both = [packed(team, f"{i}.") for i, team in enumerate(teams)]
        arrays = {name: array for _, weights in both for name, array in weights.items()}
        self._process.asked("fit", {"do": "teach", "teams": [about for about, _ in both]}, arrays | {"labels": labels},
                            begins=True)
        self._ready = True

    def ask(self, team: Team, battles: Battles, episodes: Episodes | None) -> Any:  # noqa: ARG002
        if not self._ready:
            self._process.asked("fit", {"do": "teach", "teams": []}, begins=True)
            self._ready = True
        about, arrays = packed(team, "0.")
        if episodes is not None:
            arrays |= {name: column for name, column in columns_of(episodes.public()).items()
                       if name not in RECORDABLE or name in self.needs}
        with self._process.copy() as question:
            answer, _ = question(self.kind, {"do": "judge", "team": about, "trusted": self._trusted}, arrays)
        return answer.get("answer")


def described(detector: Any) -> tuple[str, bool, tuple[str, ...]]:
    """(kind, learns, needs) of a model detector. Raises DetectorError if its needs are not to be had."""
    kind = next((kind for kind in ("statistic", "score") if callable(getattr(detector, kind, None))), "")
    return kind, hasattr(detector, "fit"), needed(detector, SHOWN, default=("episodes",))
