"""Isolation forest, the anomaly classifier that the paper's claim of stealth speaks of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes
from detectors.views import Step


class IsolationForestDetector(BaseEstimator):
    """How few random splits isolate what a living agent sees; agents share one forest.

    Parameters
    ----------
    view : from episodes to features, :class:`detectors.views.Step` by default.
    n_estimators, max_samples : trees, and the most samples that each of them is grown on.

    Attributes
    ----------
    model_ : the fitted pipeline of scaler and forest.

    References
    ----------
    Liu, Ting & Zhou, "Isolation forest", ICDM 2008.
    """

    def __init__(self, view: Callable[[Episodes], np.ndarray] | None = None, n_estimators: int = 100,
                 max_samples: int = 256, seed: int = 0) -> None:
        self.view = view
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.seed = seed

    def fit(self, episodes: Episodes) -> IsolationForestDetector:
        features, living = self._features(episodes)
        samples = features[living]
        forest = IsolationForest(n_estimators=self.n_estimators, max_samples=min(self.max_samples, len(samples)),
                                 n_jobs=-1, random_state=self.seed)
        self.model_: Pipeline = make_pipeline(StandardScaler(), forest).fit(samples)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in (0, 1); 0 for the dead."""
        check_is_fitted(self)
        features, living = self._features(episodes)
        scores = np.zeros(living.shape)
        if living.any():
            scores[living] = -self.model_.score_samples(features[living])
        return scores

    def _features(self, episodes: Episodes) -> tuple[np.ndarray, np.ndarray]:
        view = Step() if self.view is None else self.view
        return view(episodes), episodes.alive & episodes.mask[..., None]
