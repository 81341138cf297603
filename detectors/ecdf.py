"""Outliers by how rare their values are, feature by feature, in the empirical distribution of the fitted samples.

PyOD's implementations, by the papers' authors, put the samples to be scored into the distribution, too: a
score then depends on what else is scored. Here every sample is ranked on its own among the fitted ones, which gives
what PyOD gives for a single sample.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class _TailProbabilities(OutlierMixin, BaseEstimator):
    """Estimators that add up, over the features, the surprise of a value as far out as the sample's or further.

    Attributes
    ----------
    sorted_ : (feature, sample) the fitted samples.
    skew_ : (feature,) sign of the skewness, which says on which side the longer tail is; 0 for a constant.
    """

    def fit(self, X: np.ndarray, y: None = None) -> _TailProbabilities:  # noqa: ARG002
        samples = validate_data(self, X, dtype=np.float32)
        self.sorted_ = np.sort(samples.T, axis=1)
        varies = self.sorted_[:, 0] < self.sorted_[:, -1]
        third_moment = ((self.sorted_ - self.sorted_.mean(1, keepdims=True, dtype=float)) ** 3).mean(1)
        self.skew_ = np.where(varies, np.sign(third_moment), 0)
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """(sample,) minus the surprise in nats: higher is more normal, at most 0."""
        check_is_fitted(self)
        samples = validate_data(self, X, dtype=np.float32, reset=False)
        n = self.sorted_.shape[1]
        surprise = np.zeros(len(samples))
        for values, known, side in zip(samples.T, self.sorted_, self.skew_, strict=True):
            at_most = 1 + np.searchsorted(known, values, side="right")  # with the sample itself
            at_least = 1 + n - np.searchsorted(known, values, side="left")
            left, right = np.log((n + 1) / at_most), np.log((n + 1) / at_least)
            longer = left + right if side == 0 else right if side > 0 else left
            surprise += self._combine(left, right, longer)
        return -surprise

    def _combine(self, left: np.ndarray, right: np.ndarray, longer: np.ndarray) -> np.ndarray:
        """The surprise (sample,) of a feature, from that of the left, the right and the longer tail."""
        raise NotImplementedError


class ECOD(_TailProbabilities):
    """The most surprising of the left, the right and the longer tail.

    References
    ----------
    Li, Zhao, Hu, Botta, Ionescu & Chen, "ECOD: Unsupervised outlier detection using empirical cumulative distribution
    functions", IEEE TKDE 2022, as in the authors' own implementation (feature by feature).
    """

    def _combine(self, left: np.ndarray, right: np.ndarray, longer: np.ndarray) -> np.ndarray:
        return np.maximum(np.maximum(left, right), longer)


class COPOD(_TailProbabilities):
    """The longer tail, or the mean of left and right if that is more surprising.

    References
    ----------
    Li, Zhao, Botta, Ionescu & Hu, "COPOD: Copula-based outlier detection", ICDM 2020, as in the authors' own
    implementation (feature by feature).
    """

    def _combine(self, left: np.ndarray, right: np.ndarray, longer: np.ndarray) -> np.ndarray:
        return np.maximum((left + right) / 2, longer)
