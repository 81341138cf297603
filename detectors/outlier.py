"""Any outlier estimator of scikit-learn or PyOD as a detector: the "anomaly classifiers" that the paper speaks of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes
from bench.contracts.calls import Raised, absent, ask, class_name, shown
from bench.errors import DetectorError

from .ecdf import COPOD, ECOD
from .forest import Forest
from .neighbours import KNN, LOF
from .recorded import chunks, living, rows
from .views import View, features, needs

CHUNK, FEW = 100, 10  # episodes that are scored together, and that a view looks at together
# Of PyOD's and scikit-learn's, those that ours stand for. PyOD's ECOD and COPOD rank the samples that they are to score
# among each other, so that a score depends on what it is asked with; of the other three, ours are faster.
OURS = {"pyod.models.ecod.ECOD": ECOD, "pyod.models.copod.COPOD": COPOD, "pyod.models.knn.KNN": KNN,
        "sklearn.neighbors._lof.LocalOutlierFactor": LOF, "sklearn.ensemble._iforest.IsolationForest": Forest}


class Outlier(BaseEstimator):
    """How far out an estimator finds what a view shows of each living agent, or of the team.

    The agents share one estimator. It is scikit-learn's (``score_samples``, or ``decision_function`` if it has no such:
    higher is more normal) or, if its class or that of a pipeline's last step comes from the package ``pyod``, PyOD's
    (``decision_function``: higher is more anomalous). PyOD's ECOD and COPOD are replaced by those of
    :mod:`detectors.ecdf`, which score a sample the same whatever samples are beside it, and Euclidean KNN, LOF and
    isolation forests by those of :mod:`detectors.neighbours` and :mod:`detectors.forest`, which score the same and
    faster.

    Parameters
    ----------
    estimator : is cloned before it is fitted, and every ``random_state`` of it set to ``seed``.
    view : from episodes to features (see :mod:`detectors.views`); by default the observation of a single step.
    max_samples : the estimator is fitted on at most so many samples, drawn at random; on all if None.
    scale : bring features to mean 0 and variance 1 first; features that are constant in ``fit`` are only centred.

    Attributes
    ----------
    model_ : the fitted estimator, behind a scaler if ``scale``.

    Raises
    ------
    DetectorError : by ``fit``, if no agent lives, or the estimator cannot be fitted so, or has no scores, random ones,
        or such that depend on what else is scored.
    """

    def __init__(self, estimator: Any, view: View | None = None, max_samples: int | None = None, scale: bool = True,
                 seed: int = 0) -> None:
        self.estimator = estimator
        self.view = view
        self.max_samples = max_samples
        self.scale = scale
        self.seed = seed

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that have to be recorded for the view."""
        return needs(self.view)

    def fit(self, episodes: Episodes) -> Outlier:
        samples = np.concatenate([self._samples(episodes[first: first + CHUNK])[0]
                                  for first in range(0, len(episodes), CHUNK)])
        if not len(samples):
            raise DetectorError("there is nothing to fit on: no agent lives in any of the episodes")
        if self.max_samples is not None and len(samples) > self.max_samples:
            chosen = np.random.default_rng(self.seed).choice(len(samples), self.max_samples, replace=False)
            samples = samples[np.sort(chosen)]
        estimator = self._asked("clone", self._fresh)
        self.model_ = make_pipeline(StandardScaler(), estimator) if self.scale else estimator
        self._asked("fit", lambda: self.model_.fit(samples))
        self._check_scores(samples[:64])
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), or (episode, step) if the view is of the team, in the estimator's own unit.

        0 for the dead, and in steps that were not played.
        """
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape[: features(self.view, episodes[:1]).ndim - 1])
        for where, some in chunks(episodes, CHUNK):
            samples, there = self._samples(some)
            found = np.zeros(there.shape)
            if len(samples):
                found[there] = self._anomaly(samples)
            scores[where] = found
        return scores

    def _samples(self, episodes: Episodes) -> tuple[np.ndarray, np.ndarray]:
        """(sample, feature) what the view shows of the living agents, or of the team in steps that were played, and
        where, (episode, step, agent) or (episode, step) bool."""
        found, there = [], []
        for part in rows(len(episodes), FEW):  # what is seen where nobody lives is more than what is kept
            some = episodes[part]
            seen = some.observation if self.view is None else features(self.view, some)
            there.append(some.mask if seen.ndim == 3 else living(some))
            found.append(seen[there[-1]].astype(np.float32, copy=False))  # of the living alone: few live to the end
        return np.concatenate(found), np.concatenate(there)

    def _check_scores(self, samples: np.ndarray) -> None:
        """Raise DetectorError if scores of some samples are not finite, are random, or depend on others that are scored
        with them."""
        half = samples[: len(samples) // 2 + 1]
        scores, again, alone = self._anomaly(samples), self._anomaly(samples), self._anomaly(half)
        bad, name = int((~np.isfinite(scores)).sum()), class_name(_last(self.estimator))
        if bad:
            raise DetectorError(f"{name} gives {bad} of {len(samples)} samples that it was fitted to "
                                "a score that is not finite")
        if not np.allclose(scores, again, rtol=1e-3, atol=1e-6):
            raise DetectorError(f"{name} scores at random: the same samples, scored twice, get other "
                                "scores; a detector's score may depend on its own step and earlier ones alone")
        if not np.allclose(alone, scores[: len(half)], rtol=1e-3, atol=1e-6):
            raise DetectorError(f"{shown(self.estimator)} scores a sample by the others scored with it; a "
                                "detector's score may depend on its own step and earlier ones alone")

    def _fresh(self) -> Any:
        """An unfitted copy of the estimator, or of ours in its place, with the seed."""
        estimator = ours(self.estimator)
        if estimator is None:
            estimator = clone(self.estimator)
        seeds = {name: self.seed for name in estimator.get_params() if name.split("__")[-1] == "random_state"}
        return estimator.set_params(**seeds)

    def _anomaly(self, samples: np.ndarray) -> np.ndarray:
        """(sample,) higher for what is further out"""
        estimator = _last(self.model_)
        pyod = any(kind.__module__.split(".")[0] == "pyod" for kind in type(estimator).__mro__)
        methods = [name for name in ("score_samples", "decision_function") if hasattr(self.model_, name)]
        if not methods:
            name = class_name(estimator)
            raise DetectorError(
                f"{name} without novelty=true judges only what it was fitted to; set detector.estimator.novelty=true"
                if getattr(estimator, "novelty", None) is False else
                f"{name} has neither score_samples nor decision_function: it is no outlier estimator")
        method = "decision_function" if pyod else methods[0]
        scores = np.asarray(self._asked(method, lambda: getattr(self.model_, method)(samples)))
        if scores.shape != (len(samples),):
            raise DetectorError(f"{class_name(estimator)}.{method} returned shape {scores.shape} for {len(samples)} "
                                "samples; expected a score each")
        return scores if pyod else -scores

    def _asked(self, what: str, call: Callable[[], Any]) -> Any:
        """What the estimator's own code gives; DetectorError, with the estimator's name, if it raises anything."""
        try:
            return ask(call)
        except Raised as error:
            name = class_name(_last(self.estimator))
            raise DetectorError(f"{name}: {absent(error.__cause__) or f'{what} raised {error}'}") from error


def ours(estimator: Any) -> Any:
    """An estimator of ours that stands for PyOD's or scikit-learn's, or None: of nearest neighbours only where nothing
    but their number was chosen, of forests with all that was chosen."""
    kind = type(estimator)
    found = OURS.get(f"{kind.__module__}.{kind.__name__}")
    if found is None:
        return None
    if found not in (KNN, LOF, Forest):
        return found()
    chosen = estimator.get_params()
    if found is Forest:
        return Forest(**chosen)
    usual = kind(n_neighbors=chosen["n_neighbors"], **({"novelty": True} if found is LOF else {}))
    return found(chosen["n_neighbors"]) if chosen == usual.get_params() else None


def _last(estimator: Any) -> Any:
    """The estimator, or the last step of a pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator
