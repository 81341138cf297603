"""The checks of the suite, each on a detector of its own, and what comes of them."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import Any

import numpy as np

from bench.conformance.episodes import clean, policies, wild
from bench.contracts import NEEDS, Detector, Episodes, besides, differing, needed
from bench.errors import DetectorError

REVERSED, TOLD_APART = 0.25, 0.75  # AUROC of wild against clean battles: below the one, above the other


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    check: str
    status: str  # "passed", "failed", "warning", or "not run" where an earlier failure stands in the way
    expected: str
    message: str = ""  # what came instead


def check_detector(detector: Detector | type) -> list[Outcome]:
    """See whether a detector, or a class with default parameters, keeps :class:`bench.contracts.Detector`'s contract.

    Returns the outcome of every check. A "warning" says that wild battles score no higher than clean ones: right for a
    detector that looks at something else, as the floors do, and wrong for all others.

    Raises
    ------
    DetectorError : a check fails; names all that do, with what was expected and what came.
    """
    found = outcomes(detector)
    require((detector if isinstance(detector, type) else type(detector)).__name__, found)
    return found


def require(name: str, found: list[Outcome]) -> None:
    """Raise the DetectorError of :func:`check_detector` if one of a detector's outcomes is a failure."""
    failed = [outcome for outcome in found if outcome.status == "failed"]
    if failed:
        raise DetectorError(f"{name} fails {len(failed)} of {len(found)} checks: " + "; ".join(
            f"{outcome.check}: expected {outcome.expected}, {outcome.message}" for outcome in failed))


def outcomes(detector: Detector | type) -> list[Outcome]:
    """The outcome of every check, whether passed or failed. What the detector raises becomes a failed check."""
    subject = Subject(detector() if isinstance(detector, type) else detector)
    found: dict[str, Outcome] = {}
    for name, (check, expected) in CHECKS.items():
        status, message = "passed", ""
        try:
            check(subject)
        except Doubt as doubt:
            status, message = "warning", str(doubt)
        except Broken as broken:
            cause = found.get(broken.belongs_to)
            status, message = "failed", str(broken)
            if cause is not None and cause.status == "failed":  # already told
                status, message = "not run", f"see '{cause.check}'"
        found[name] = Outcome(name, status, expected, message)
    return list(found.values())


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
        rng = np.random.default_rng(0)
        self.train = self.shown(clean(rng.integers(12, 24, 40).tolist(), seed=1))
        self.test = self.shown(clean([17, 9, 20, 12, 14, 6, 19, 11], seed=2))
        self.untouched = [(episodes, _content(episodes)) for episodes in (self.train, self.test)]

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
            return copy.deepcopy(self.detector)
        except Exception as error:
            raise Broken(f"copy.deepcopy raised {type(error).__name__}: {error}", "constructor") from error

    def fit(self) -> Any:
        """A fresh copy, fitted."""
        fresh = self.fresh()
        given = dict(vars(fresh))
        try:
            also = besides(fresh, policies())
        except DetectorError as error:
            raise Broken(str(error), "needs") from error
        result = self.call(fresh, "fit", self.train, **also)
        self.replaced |= {name for name, value in given.items() if vars(fresh).get(name) is not value}
        if result is not fresh:
            raise Broken(f"fit returned {_kind(result)}", "fit")
        return fresh

    @cached_property
    def fitted(self) -> Any:
        """A copy fitted once, for all checks but that of the seed."""
        return self.fit()

    def scores(self, episodes: Episodes, detector: Any = None) -> np.ndarray:
        """Checked scores, (episode, step) or (episode, step, agent)."""
        scores = np.asarray(self.call(self.fitted if detector is None else detector, "score", episodes))
        if scores.shape not in (episodes.mask.shape, episodes.alive.shape):
            raise Broken(f"score returned shape {scores.shape} for {episodes.mask.shape} steps", "shape")
        if not np.issubdtype(scores.dtype, np.number) or np.iscomplexobj(scores):
            raise Broken(f"score returned {scores.dtype}", "shape")
        bad = int((~np.isfinite(scores[_judged(scores, episodes)])).sum())
        if bad:
            raise Broken(f"{bad:,} of {scores.size:,} scores are not finite", "finite")
        return scores

    def call(self, detector: Any, method: str, episodes: Episodes, **also: Any) -> Any:
        """Call a method; what it raises becomes a broken promise of the check that it belongs to."""
        asked = len(self.asked)
        try:
            return getattr(detector, method)(episodes, **also)
        except Exception as error:
            said = f"{method} raised {type(error).__name__}: {error}"
            if isinstance(error, ValueError) and "read-only" in str(error):
                raise Broken(said, "read-only") from error
            raise Broken(said, "labels" if len(self.asked) > asked else method) from error


def _kind(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


def _content(episodes: Episodes) -> dict[str, Any]:
    """A copy of the columns."""
    columns = {f.name: getattr(episodes, f.name) for f in fields(episodes)}
    return {name: column.copy() for name, column in columns.items() if column is not None}


def _judged(scores: np.ndarray, episodes: Episodes) -> np.ndarray:
    """Where scores count: in steps that were played and, if they are of agents, of the living."""
    return episodes.mask if scores.ndim == 2 else episodes.alive & episodes.mask[..., None]


def _same(scores: np.ndarray, other: np.ndarray, judged: np.ndarray, when: str) -> None:
    """Broken if scores (and other ones of the same shape) differ where they are judged."""
    if scores.shape != other.shape:
        raise Broken(f"scores have shape {other.shape} instead of {scores.shape} {when}")
    differ = differing(scores, other, judged)
    if differ.any():
        first = tuple(int(i) for i in np.argwhere(differ)[0])
        raise Broken(f"{int(differ.sum()):,} of {int(judged.sum()):,} scores differ {when}, the first at {first}: "
                     f"{scores[first]:.6g} and {other[first]:.6g}")


def constructor(subject: Subject) -> None:
    kind = type(subject.detector)
    parameters = inspect.signature(kind).parameters.values()
    unnamed = [str(p) for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if unnamed:
        raise Broken(f"__init__ takes {', '.join(unnamed)}, whose names cannot be known")
    given = {p.name: object() for p in parameters}  # no logic can make anything of these
    try:
        made = vars(kind(**given))
    except Exception as error:
        raise Broken(f"__init__ raised {type(error).__name__}: {error}; check values in fit") from error
    for name, value in given.items():
        if made.get(name) is not value:
            raise Broken(f"the parameter '{name}' is not stored as it was given, as self.{name}")
    extra = sorted(made.keys() - given.keys())
    if extra:
        raise Broken(f"__init__ also sets {', '.join(extra)}; set them in fit, as {extra[0].strip('_')}_")
    subject.fresh()
    uses: list[Callable] = [repr]
    if hasattr(subject.detector, "get_params"):
        from sklearn.base import clone

        uses.append(clone)
    for use in uses:
        try:
            use(subject.detector)
        except Exception as error:
            raise Broken(f"{use.__name__} raised {type(error).__name__}: {error}") from error


def needs(subject: Subject) -> None:
    try:
        needed(subject.detector)
    except DetectorError as error:
        raise Broken(str(error)) from error


def _usual(subject: Subject, check: str) -> None:
    """Fit and score as usual: what is wrong with it belongs to one check, and is left to that one."""
    try:
        subject.scores(subject.test)
    except Broken as broken:
        if broken.belongs_to == check:
            raise


def labels(subject: Subject) -> None:
    _usual(subject, "labels")
    if subject.asked:
        raise Broken("it asked for episodes.labels and caught the error")


def read_only(subject: Subject) -> None:
    _usual(subject, "read-only")
    for episodes, untouched in subject.untouched:
        changed = [name for name, column in untouched.items() if not np.array_equal(column, getattr(episodes, name))]
        if changed:
            raise Broken(f"it changed the column '{changed[0]}'")


def attributes(subject: Subject) -> None:
    learned = vars(subject.fitted).keys() - vars(subject.detector).keys()
    wrong = sorted(name for name in learned if not name.endswith("_") and name[0] != "_")
    if wrong:
        raise Broken(f"fit sets {', '.join(wrong)}; name it {wrong[0]}_")
    if subject.replaced:
        raise Broken(f"fit changes the parameter '{min(subject.replaced)}'")


def unfitted(subject: Subject) -> None:
    if vars(subject.fitted).keys() == vars(subject.detector).keys():
        return  # it learns nothing, so that it may be asked at once
    try:
        subject.fresh().score(subject.test)
    except Exception:
        return
    raise Broken("score before fit returned scores")


def seed(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    again = subject.scores(subject.test, subject.fit())
    _same(scores, again, _judged(scores, subject.test), "when it is fitted again on the same battles")


def future(subject: Subject) -> None:
    before = subject.test
    early = np.arange(before.mask.shape[1]) < before.length[:, None] // 2
    other = wild(before, seed=3)
    later: dict[str, Any] = {}
    for name, column in _content(before).items():
        then = early.reshape(*early.shape, *[1] * (column.ndim - 2))
        later[name] = np.where(then, column, getattr(other, name))
        later[name][1::2] = np.where(then, column, np.zeros_like(column))[1::2]  # every other battle ends there
    scores = subject.scores(before)
    judged = _judged(scores, before) & early.reshape(*early.shape, *[1] * (scores.ndim - 2))
    _same(scores, subject.scores(subject.shown(Episodes(**later))), judged, "when later steps change")


def order(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    _same(scores, subject.scores(subject.test[::-1])[::-1], _judged(scores, subject.test), "in the reverse order")


def batch_size(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    alone = np.concatenate([subject.scores(subject.test[i:i + 1]) for i in range(len(subject.test))])
    _same(scores, alone, _judged(scores, subject.test), "when battles are scored one at a time")


def padding(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    longer: dict[str, Any] = {name: np.pad(column, [(0, 0), (0, 7), *[(0, 0)] * (column.ndim - 2)])
                              for name, column in _content(subject.test).items()}
    padded = subject.scores(subject.shown(Episodes(**longer)))[:, : scores.shape[1]]
    _same(scores, padded, _judged(scores, subject.test), "with more padding at the end")


def one_step(subject: Subject) -> None:
    subject.scores(subject.shown(clean([1, 1, 1], seed=4)))


def nobody_alive(subject: Subject) -> None:
    columns = _content(subject.test)
    columns["alive"][:] = False
    subject.scores(subject.shown(Episodes(**columns)))


def sign(subject: Subject) -> None:
    usual = clean([15] * 40, seed=5)
    odd = wild(usual, seed=6)
    sides = []
    for episodes in (usual, odd):
        scores = subject.scores(subject.shown(episodes))
        sides.append(np.where(_judged(scores, episodes), scores, -np.inf).reshape(len(episodes), -1).max(1))
    difference = sides[1][:, None] - sides[0]
    auroc = float(np.mean(difference > 0) + np.mean(difference == 0) / 2)
    came = f"of wild and clean battles, the wild one scores higher in {auroc:.0%} of the pairs"
    if auroc < REVERSED:
        raise Broken(f"{came}: is the sign reversed?")
    if auroc < TOLD_APART:
        raise Doubt(f"{came}: does it look at nothing that agents see, do, remember or value?")


# What is checked, in this order, and what a detector promises. An error is told by the check that it belongs to.
CHECKS: dict[str, tuple[Callable[[Subject], None], str]] = {
    "constructor": (constructor, "__init__ to store named parameters as given and do nothing else, and copies"),
    "needs": (needs, f"needs, if it has them, to be a tuple of {', '.join(NEEDS)}"),
    "labels": (labels, "no question for labels"),
    "read-only": (read_only, "episodes to be left as they are"),
    "fit": (partial(_usual, check="fit"), "fit(episodes) to return self"),
    "attributes": (attributes, "fit to leave parameters alone and to end the names of what it learns in '_'"),
    "score": (partial(_usual, check="score"), "score(episodes) to return scores"),
    "unfitted": (unfitted, "an error of score before fit"),
    "shape": (partial(_usual, check="shape"), "real scores of shape (episode, step) or (episode, step, agent)"),
    "finite": (partial(_usual, check="finite"), "finite scores of all played steps, if of agents of the living ones"),
    "seed": (seed, "the same scores after the same fit"),
    "future": (future, "a score to depend on its own step and earlier ones alone"),
    "order": (order, "a score not to depend on the order of battles"),
    "batch size": (batch_size, "a score not to depend on other battles"),
    "padding": (padding, "a score not to depend on steps that were not played"),
    "one step": (one_step, "scores of battles of one step"),
    "nobody alive": (nobody_alive, "scores of steps in which no agent lives"),
    "sign": (sign, "higher scores for what is more anomalous"),
}
