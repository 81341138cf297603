"""Isolation forest, the anomaly classifier that the paper's claim of stealth speaks of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes
from detectors.views import Step

CHUNK = 100  # episodes


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
        samples = np.concatenate([features for _, features in self._samples(episodes)])
        forest = IsolationForest(n_estimators=self.n_estimators, max_samples=min(self.max_samples, len(samples)),
                                 n_jobs=-1, random_state=self.seed)
        self.model_: Pipeline = make_pipeline(StandardScaler(), forest).fit(samples)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in (0, 1); 0 for the dead."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        for where, features in self._samples(episodes):
            if len(features):
                scores[where] = -self.model_.score_samples(features)
        return scores

    def _samples(self, episodes: Episodes) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        """What living agents see: (episode, step, agent) indices and features (sample, feature), some episodes at a
        time, since all of their features at once would fill the memory."""
        view = Step() if self.view is None else self.view
        for first in range(0, len(episodes), CHUNK):
            some = episodes[first: first + CHUNK]
            episode, step, agent = np.nonzero(some.alive & some.mask[..., None])
            yield (first + episode, step, agent), view(some)[episode, step, agent]
