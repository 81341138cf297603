"""Who holds a detector while it is fitted and asked for scores: this process, or one of its own
(:mod:`bench.isolation.elsewhere`)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from bench.contracts import POLICIES, RECORDABLE, Detector, Episodes, besides, needed
from bench.contracts.calls import Raised, ask, class_name, name_of, score_array
from bench.errors import DetectorError

if TYPE_CHECKING:  # what follows it here is quick to import, for a detector's own process
    from bench.marl.team import Team


Score = Callable[[Episodes], np.ndarray]


class Fitted(Protocol):
    """A detector that has been fitted to a team's battles; to be used in a ``with``, and not after it."""

    name: str

    def scorer(self) -> AbstractContextManager[Score]:
        """A fresh copy, which has scored nothing yet, one at a time. What it is asked for are checked scores of public
        episodes, (episode, step) or (episode, step, agent), -inf for the dead.

        It raises DetectorError if the detector fails, or its scores break the contract.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None: ...


class Host(Protocol):
    """Holds a detector that is not fitted, and fits as many copies of it as are asked for."""

    name: str  # of the detector's class, for errors

    @property
    def needs(self) -> tuple[str, ...]:
        """What it asks for, see :data:`bench.contracts.NEEDS`. Raises DetectorError if it cannot be had."""
        ...

    def fit(self, episodes: Episodes, team: Team) -> Fitted:
        """A fresh copy, fitted to battles; ``team`` is the delivered one, for a detector that asks it something.

        Raises DetectorError if the detector fails.
        """
        ...


class InProcess:
    """A detector in this process, which could do anything to it: for those that are shipped, and for debugging."""

    def __init__(self, detector: Detector) -> None:
        self.detector, self.name = detector, class_name(detector)

    @property
    def needs(self) -> tuple[str, ...]:
        return needed(self.detector)

    def fit(self, episodes: Episodes, team: Team) -> Fitted:
        also = besides(self.detector, team.policies()) if set(self.needs) & set(POLICIES) else {}
        return FittedInProcess(called(copied(self.detector), "fit", shown(episodes, self.needs), **also), self.needs)


class FittedInProcess:
    """See :class:`Fitted`."""

    def __init__(self, detector: Detector, needs: Collection[str]) -> None:
        self.name, self._needs = class_name(detector), needs
        self._detector = detector

    @contextmanager
    def scorer(self) -> Iterator[Score]:
        copy = copied(self._detector)
        yield lambda episodes: as_scores(copy, shown(episodes, self._needs))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FittedBefore:
    """A host whose detector was fitted to these very battles before, in this process."""

    def __init__(self, host: InProcess, fitted: Fitted) -> None:
        self.name, self.needs, self._fitted = host.name, host.needs, fitted

    def fit(self, episodes: Episodes, team: Team) -> Fitted:  # noqa: ARG002
        """The fitted detector; scorers are fresh copies of it."""
        return self._fitted


def shown(episodes: Episodes, needs: Collection[str]) -> Episodes:
    """Public episodes with those of the columns on request that a detector has asked for: what was recorded for others
    is not there."""
    unasked = dict.fromkeys(set(RECORDABLE).difference(needs))
    return replace(episodes.public(), **unasked)  # type: ignore[arg-type]


def usable(detector: Any) -> None:
    """Raise DetectorError unless this is an object with ``fit`` and ``score`` that can be copied for each team."""
    if issubclass(type(detector), type):
        name = name_of(detector)
        raise DetectorError(f"{name} is a class; hand over an object of it: {name}()")
    for method in ("fit", "score"):
        try:
            there = ask(lambda method=method: callable(getattr(detector, method, None)))  # type: ignore[misc]
        except Raised as error:
            raise DetectorError(f"{class_name(detector)}.{method} failed: {error}") from error
        if not there:
            raise DetectorError(f"{class_name(detector)} has no method '{method}'; a detector has fit(episodes) and "
                                "score(episodes)")
    copied(detector)


def copied(detector: Detector) -> Detector:
    """A deep copy. Raises DetectorError if there can be none."""
    try:
        return ask(lambda: copy.deepcopy(detector))
    except Raised as error:
        raise DetectorError(f"{class_name(detector)} cannot be copied: copy.deepcopy raised {error}") from error


def called(detector: Detector, method: str, episodes: Episodes, **also: Any) -> Any:
    """Call "fit", which gives the detector, or "score"; whatever it raises becomes a DetectorError."""
    try:
        result = ask(lambda: getattr(detector, method)(episodes, **also))
    except Raised as error:
        raise DetectorError(f"{class_name(detector)}.{method} failed: {error}") from error
    return detector if method == "fit" else result


def as_scores(detector: Detector, episodes: Episodes) -> np.ndarray:
    """What a fitted detector says of public episodes, checked: see :meth:`Fitted.scorer`."""
    name, returned = class_name(detector), called(detector, "score", episodes)
    try:
        scores = score_array(returned)
    except DetectorError as error:
        raise DetectorError(f"{name}.score {error}") from error
    return checked(scores, episodes, name)


def checked(scores: np.ndarray, episodes: Episodes, name: str) -> np.ndarray:
    """The scores of the detector ``name``; those of agents are -inf where an agent does not live.

    Raises DetectorError if they have the wrong shape or type, or are not finite.
    """
    shapes = episodes.mask.shape, episodes.alive.shape
    if scores.shape not in shapes:
        raise DetectorError(f"{name}.score returned shape {scores.shape}; expected (episode, step) {shapes[0]} or "
                            f"(episode, step, agent) {shapes[1]}")
    if scores.dtype.kind not in "iuf":
        raise DetectorError(f"{name}.score returned {scores.dtype}; expected real numbers")
    played = episodes.mask if scores.ndim == 2 else episodes.alive & episodes.mask[..., None]
    bad = int((~np.isfinite(scores[played])).sum())
    if bad:
        raise DetectorError(f"{name}.score returned {bad:,} scores that are not finite; expected finite ones")
    return scores if scores.ndim == 2 else np.where(played, scores, -np.inf)
