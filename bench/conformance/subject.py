"""The detector under test: fitted and asked as the benchmark does it, and what it does wrong then."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from bench.artifacts.written import attributes
from bench.conformance.episodes import clean, policies
from bench.contracts import Episodes, besides, columns_of, differing
from bench.contracts.calls import Raised, ask, class_name, said, score_array
from bench.errors import BenchError, DetectorError


def asked(call: Callable[[], Any]) -> Any:
    """As :func:`bench.contracts.calls.ask`; an error of ours that comes out of a detector is one of its own here."""
    try:
        return ask(call)
    except BenchError as error:
        raise Raised(said(error)) from error


class Broken(Exception):
    """A promise is broken: what came, and the check that it belongs to if not to the one that meets it."""

    def __init__(self, message: str, belongs_to: str = "") -> None:
        super().__init__(message)
        self.belongs_to = belongs_to


class Doubt(Exception):
    """Something that is wrong for most detectors but right for some."""


class Subject:
    """The detector under test, fitted and asked as the benchmark does it: on read-only episodes without labels."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector
        self.asked: list[str] = []  # what was asked of episodes that they do not tell
        self.replaced: set[str] = set()  # parameters that fit has put something else in the place of
        self.ndim: int | None = None  # of the scores that came first
        rng = np.random.default_rng(0)
        self.train = self.shown(clean(rng.integers(12, 24, 40).tolist(), seed=1))
        self.test = self.shown(clean([17, 9, 20, 12, 14, 6, 19, 11], seed=2))
        self.untouched = [(episodes, content(episodes)) for episodes in (self.train, self.test)]

    def shown(self, episodes: Episodes) -> Episodes:
        """The episodes as a detector is given them; whoever asks for their labels is remembered."""
        asked = self.asked

        class Guarded(Episodes):
            @property
            def labels(self) -> Any:
                asked.append("labels")
                return super().labels

        return Guarded(**vars(episodes.public()))

    def fresh(self) -> Any:
        """A copy that is not fitted, such as each team is given."""
        try:
            return asked(lambda: copy.deepcopy(self.detector))
        except Raised as error:
            raise Broken(f"copy.deepcopy raised {error}", "constructor") from error

    def fit(self) -> Any:
        """A fresh copy, fitted."""
        fresh = self.fresh()
        given = attributes(fresh)
        try:
            also = besides(fresh, policies())
        except DetectorError as error:
            raise Broken(str(error), "needs") from error
        result = self.call(fresh, "fit", self.train, **also)
        now = attributes(fresh)
        self.replaced |= {name for name, value in given.items() if now.get(name) is not value}
        if result is not fresh:
            raise Broken(f"fit returned {_kind(result)}", "fit")
        return fresh

    @cached_property
    def fitted(self) -> Any:
        """A copy fitted once, for all checks but that of the seed."""
        return self.fit()

    def scores(self, episodes: Episodes, detector: Any = None) -> np.ndarray:
        """Checked scores, (episode, step) or (episode, step, agent)."""
        returned = self.call(self.fitted if detector is None else detector, "score", episodes)
        try:
            scores = score_array(returned)
        except DetectorError as error:
            raise Broken(f"score {error}", "shape") from error
        if scores.shape not in (episodes.mask.shape, episodes.alive.shape):
            raise Broken(f"score returned shape {scores.shape} for {episodes.mask.shape} steps", "shape")
        self.ndim = self.ndim or scores.ndim
        if scores.ndim != self.ndim:
            raise Broken("score returned scores of agents at one time and of whole steps at another", "shape")
        bad = int((~np.isfinite(scores[judged(scores, episodes)])).sum())
        if bad:
            raise Broken(f"{bad:,} of {scores.size:,} scores are not finite", "finite")
        return scores

    def call(self, detector: Any, method: str, episodes: Episodes, **also: Any) -> Any:
        """Call a method; what it raises becomes a broken promise of the check that it belongs to."""
        before = len(self.asked)
        try:
            return asked(lambda: getattr(detector, method)(episodes, **also))
        except Raised as error:
            told = f"{method} raised {error}"
            if isinstance(error.__cause__, ValueError) and "read-only" in told:
                raise Broken(told, "read-only") from error
            raise Broken(told, "labels" if len(self.asked) > before else method) from error


def _kind(value: object) -> str:
    return "None" if value is None else f"an object of type {class_name(value)}"


def content(episodes: Episodes) -> dict[str, Any]:
    """A copy of the columns."""
    return {name: column.copy() for name, column in columns_of(episodes).items()}


def judged(scores: np.ndarray, episodes: Episodes) -> np.ndarray:
    """Where scores count: in steps that were played and, if they are of agents, of the living."""
    return episodes.mask if scores.ndim == 2 else episodes.alive & episodes.mask[..., None]


def same(scores: np.ndarray, other: np.ndarray, judged: np.ndarray, when: str) -> None:
    """Broken if scores (and other ones of the same shape) differ where they are judged."""
    if scores.shape != other.shape:
        raise Broken(f"scores have shape {other.shape} instead of {scores.shape} {when}")
    differ = differing(scores, other, judged)
    if differ.any():
        first = tuple(int(i) for i in np.argwhere(differ)[0])
        raise Broken(f"{int(differ.sum()):,} of {int(judged.sum()):,} scores differ {when}, the first at {first}: "
                     f"{scores[first]:.6g} and {other[first]:.6g}")
