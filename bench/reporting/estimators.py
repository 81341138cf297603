"""Which estimators of scikit-learn and PyOD are detectors here, and why others are not: each is tried.

``python -m bench.reporting.estimators`` writes what comes of it, ``docs/estimators.md``.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import io
import pkgutil
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate
from threadpoolctl import threadpool_limits

from bench import options
from bench.artifacts.files import write_atomic
from bench.conformance.episodes import SPEC, clean, wild
from bench.contracts.calls import Raised, absent, ask, said, score_array
from bench.contracts.locate import missing
from bench.errors import BenchError

DOCUMENT = Path("docs/estimators.md")
SAMPLES = 100  # that an estimator is fitted to: some take minutes for more
BASES = ("pyod.models.base", "pyod.models.base_dl")  # of PyOD's own classes
LOF = {"_target_": "pyod.models.lof.LOF"}
PARAMETERS: dict[str, dict[str, Any]] = {  # that an estimator cannot do without, or would take minutes without
    "pyod.models.ae1svm.AE1SVM": {"epochs": 2}, "pyod.models.alad.ALAD": {"epochs": 2},
    "pyod.models.anogan.AnoGAN": {"epochs": 2, "epochs_query": 2},
    "pyod.models.deep_svdd.DeepSVDD": {"n_features": SPEC.observation_size, "epochs": 5},
    "pyod.models.lscp.LSCP": {"detector_list": [LOF, LOF | {"n_neighbors": 10}]},
    "sklearn.neighbors.LocalOutlierFactor": {"novelty": True}}
UNTRIED = {"pyod.models.rod.ROD": f"not tried: it looks at every three of {SPEC.observation_size} features, which "
                                  "takes hours"}


@dataclass(frozen=True)
class Tried:
    """What came of an estimator as a detector."""

    estimator: str  # its class, and the parameters that it was given
    why: str | None  # it is none; None if it is one
    auroc: float | None  # of wild synthetic battles against clean ones, by each one's greatest score; chance .5


def estimators() -> Iterator[tuple[str, dict[str, Any]]]:
    """(class, parameters) of every outlier estimator of scikit-learn and of PyOD, importable or not."""
    from sklearn.base import OutlierMixin
    from sklearn.utils import all_estimators

    for name, kind in all_estimators():
        if issubclass(kind, OutlierMixin):
            target = f"{kind.__module__.split('._')[0]}.{name}"  # by its public module
            yield target, PARAMETERS.get(target, {})
    yield "sklearn.neighbors.LocalOutlierFactor", {"novelty": False}
    for module in pkgutil.iter_modules(importlib.import_module("pyod.models").__path__, "pyod.models."):
        spec = importlib.util.find_spec(module.name)
        if spec is None or spec.origin is None or module.name in BASES:
            continue
        for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:  # some do not even import
            if isinstance(node, ast.ClassDef) and any("Detector" in ast.unparse(base) for base in node.bases) \
                    and not node.name.startswith(("_", "Base")):
                target = f"{module.name}.{node.name}"
                yield target, PARAMETERS.get(target, {})


def tried(target: str, parameters: dict[str, Any]) -> Tried:
    """Fit an estimator to synthetic battles and score others, as the shipped option ``detector=pyod`` would."""
    node = {"_target_": options.target("detector", "pyod"), "max_samples": SAMPLES,
            "estimator": {"_target_": target, **parameters}}
    plain = {name: value for name, value in parameters.items() if not isinstance(value, list)}
    name = f"{target}({', '.join(f'{key}={value}' for key, value in plain.items())})" if plain else target
    if target in UNTRIED:
        return Tried(name, UNTRIED[target], None)
    usual = clean([10] * 15, seed=2)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), \
                warnings.catch_warnings(), threadpool_limits(1):
            warnings.simplefilter("ignore")
            detector = ask(lambda: instantiate(node, _convert_="all")).fit(clean([12] * 6, seed=1).public())
            scores = [score_array(detector.score(some.public())) for some in (usual, wild(usual, seed=3))]
    except Raised as error:
        return Tried(name, _short(str(missing(node) or _innermost(error))), None)
    except BenchError as error:
        return Tried(name, _short(str(error)), None)
    known, odd = (np.where(usual.mask[..., None], some, -np.inf).max((1, 2)) for some in scores)
    difference = odd[:, None] - known
    return Tried(name, None, float(np.mean(difference > 0) + np.mean(difference == 0) / 2))


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return absent(error) or said(error)


def _short(why: str) -> str:
    """Without the estimator's parameters, and as a cell of a table."""
    return re.sub(r"^(\w+)\(.*(\)|\.\.\.) (?=scores)", r"\1 ", why).replace("|", "\\|")


def document(found: list[Tried]) -> str:
    """The table in Markdown."""
    lines = ["# Estimators as detectors", "",
             "Generated by `python -m bench.reporting.estimators`, which tries every outlier estimator of scikit-learn "
             f"and PyOD on synthetic battles, fitted to {SAMPLES} samples, with its default parameters if none are "
             "named. Whoever runs can be named on the command line: `python -m bench run detector=pyod "
             "detector.estimator._target_=CLASS`, parameters as `+detector.estimator.NAME=VALUE`. AUROC is of battles "
             "in which nothing makes sense against clean ones: 1 is what is to be expected, chance is 0.5, and 0 is a "
             "score with its sign reversed there. Nothing but that an estimator runs follows from it.", "",
             f"{sum(one.why is None for one in found)} of {len(found)} run. A package that is missing is one of the "
             "machine that made this table: installed, the estimator may run.", "",
             "| estimator | runs | AUROC | why not |", "|---|---|---|---|"]
    lines += [f"| `{one.estimator}` | {'no' if one.why else 'yes'} | "
              f"{'' if one.auroc is None else f'{one.auroc:.2f}'} | {one.why or ''} |" for one in found]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    write_atomic(DOCUMENT, document([tried(*one) for one in estimators()]).encode())
