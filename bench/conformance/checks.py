"""The checks of the suite, each on a detector of its own, and what comes of them."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from bench.artifacts.written import attributes, written
from bench.conformance.episodes import clean, wild
from bench.conformance.subject import Broken, Doubt, Subject, asked, content, judged, same
from bench.contracts import NEEDS, Detector, Episodes, needed
from bench.contracts.calls import Raised, class_name, name_of
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
    made = not issubclass(type(detector), type)
    require(class_name(detector) if made else name_of(cast(type, detector)), found)
    return found


def require(name: str, found: list[Outcome]) -> None:
    """Raise the DetectorError of :func:`check_detector` if one of a detector's outcomes is a failure."""
    failed = [outcome for outcome in found if outcome.status == "failed"]
    if failed:
        raise DetectorError(f"{name} fails {len(failed)} of {len(found)} checks: " + "; ".join(
            f"{outcome.check}: expected {outcome.expected}, {outcome.message}" for outcome in failed))


def outcomes(detector: Detector | type) -> list[Outcome]:
    """The outcome of every check, whether passed or failed. What the detector raises becomes a failed check."""
    return list(each(detector))


def each(detector: Detector | type) -> Iterator[Outcome]:
    """The same, one after the other."""
    try:
        subject = Subject(asked(cast(type, detector)) if issubclass(type(detector), type) else detector)
    except Raised as error:
        yield from unmade(str(error))
        return
    found: dict[str, Outcome] = {}
    for name, (check, expected) in CHECKS.items():
        status, message = "passed", ""
        try:
            _run(check, subject, name)
        except Doubt as doubt:
            status, message = "warning", str(doubt)
        except Broken as broken:
            cause = found.get(broken.belongs_to)
            status, message = "failed", str(broken)
            if cause is not None and cause.status == "failed":  # already told
                status, message = "not run", f"see '{cause.check}'"
        found[name] = Outcome(name, status, expected, message)
        yield found[name]


def unmade(why: str) -> list[Outcome]:
    """The outcomes of a detector that cannot even be made."""
    first, *others = CHECKS
    return [Outcome(first, "failed", CHECKS[first][1], why),
            *(Outcome(name, "not run", CHECKS[name][1], f"see '{first}'") for name in others)]


def _run(check: Callable[[Subject], None], subject: Subject, name: str) -> None:
    """Run a check. A detector's code may also run where none would be suspected, as in comparing or listing it."""
    try:
        asked(lambda: check(subject))
    except Raised as error:
        if isinstance(error.__cause__, Broken | Doubt):
            raise error.__cause__ from None
        raise Broken(str(error), name) from error


def constructor(subject: Subject) -> None:
    subject.fresh()
    kind, torch = type(subject.detector), sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.nn.Module):
        raise Broken("it is a torch.nn.Module, which holds its weights from the beginning; make one in fit, as net_")
    parameters = inspect.signature(kind).parameters.values()
    unnamed = [str(p) for p in parameters if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if unnamed:
        raise Broken(f"__init__ takes {', '.join(unnamed)}, whose names cannot be known")
    given = {p.name: object() for p in parameters}  # no logic can make anything of these
    try:
        made = attributes(asked(lambda: kind(**given)))
    except Raised as error:
        raise Broken(f"__init__ raised {error}; check values in fit") from error
    for name, value in given.items():
        if made.get(name) is not value:
            raise Broken(f"the parameter '{name}' is not stored as it was given, as self.{name}")
    extra = sorted(made.keys() - given.keys())
    if extra:
        raise Broken(f"__init__ also sets {', '.join(extra)}; set them in fit, as {extra[0].strip('_')}_")
    uses: list[Callable] = [repr]
    if hasattr(kind, "get_params"):
        from sklearn.base import clone

        uses.append(clone)
    for use in uses:
        try:
            asked(lambda use=use: use(subject.detector))  # type: ignore[misc]
        except Raised as error:
            raise Broken(f"{use.__name__} raised {error}") from error
    try:
        written(subject.detector)
    except DetectorError as error:
        raise Broken(str(error)) from error


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


def names_learned(subject: Subject) -> None:
    learned = attributes(subject.fitted).keys() - attributes(subject.detector).keys()
    wrong = sorted(name for name in learned if not name.endswith("_") and name[0] != "_")
    if wrong:
        raise Broken(f"fit sets {', '.join(wrong)}; name it {wrong[0]}_")
    if subject.replaced:
        raise Broken(f"fit changes the parameter '{min(subject.replaced)}'")
    try:
        asked(lambda: copy.deepcopy(subject.fitted))
    except Raised as error:
        raise Broken(f"copy.deepcopy of the fitted detector raised {error}") from error


def unfitted(subject: Subject) -> None:
    if attributes(subject.fitted).keys() == attributes(subject.detector).keys():
        return  # it learns nothing, so that it may be asked at once
    fresh = subject.fresh()
    try:
        asked(lambda: fresh.score(subject.test))
    except Raised:
        return
    raise Broken("score before fit returned scores")


def seed(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    again = subject.scores(subject.test, subject.fit())
    same(scores, again, judged(scores, subject.test), "when it is fitted again on the same battles")


def future(subject: Subject) -> None:
    before = subject.test
    early = np.arange(before.mask.shape[1]) < before.length[:, None] // 2
    other = wild(before, seed=3)
    later: dict[str, Any] = {}
    for name, column in content(before).items():
        then = early.reshape(*early.shape, *[1] * (column.ndim - 2))
        later[name] = np.where(then, column, getattr(other, name))
        later[name][1::2] = np.where(then, column, np.zeros_like(column))[1::2]  # every other battle ends there
    scores = subject.scores(before)
    both = judged(scores, before) & early.reshape(*early.shape, *[1] * (scores.ndim - 2))
    same(scores, subject.scores(subject.shown(Episodes(**later, spec=before.spec))), both, "when later steps change")


def order(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    same(scores, subject.scores(subject.test[::-1])[::-1], judged(scores, subject.test), "in the reverse order")


def batch_size(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    alone = np.concatenate([subject.scores(subject.test[i:i + 1]) for i in range(len(subject.test))])
    same(scores, alone, judged(scores, subject.test), "when battles are scored one at a time")


def padding(subject: Subject) -> None:
    scores = subject.scores(subject.test)
    longer: dict[str, Any] = {name: np.pad(column, [(0, 0), (0, 7), *[(0, 0)] * (column.ndim - 2)])
                              for name, column in content(subject.test).items()}
    padded = subject.scores(subject.shown(Episodes(**longer, spec=subject.test.spec)))[:, : scores.shape[1]]
    same(scores, padded, judged(scores, subject.test), "with more padding at the end")


def one_step(subject: Subject) -> None:
    subject.scores(subject.shown(clean([1, 1, 1], seed=4)))


def nobody_alive(subject: Subject) -> None:
    columns = content(subject.test)
    columns["alive"][:] = False
    subject.scores(subject.shown(Episodes(**columns, spec=subject.test.spec)))


def told_apart(subject: Subject) -> float:
    """The AUROC of wild battles against clean ones."""
    usual = clean([15] * 40, seed=5)
    odd = wild(usual, seed=6)
    sides = []
    for episodes in (usual, odd):
        scores = subject.scores(subject.shown(episodes))
        sides.append(np.where(judged(scores, episodes), scores, -np.inf).reshape(len(episodes), -1).max(1))
    difference = sides[1][:, None] - sides[0]
    return float(np.mean(difference > 0) + np.mean(difference == 0) / 2)


def sign(subject: Subject) -> None:
    auroc = told_apart(subject)
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
    "attributes": (names_learned, "fit to leave parameters alone and end the names of what it learns in '_'; copies"),
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
