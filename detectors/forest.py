"""Isolation forests that are asked many times, or of very many samples."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.ensemble import IsolationForest
from sklearn.utils.validation import check_is_fitted, validate_data

from .recorded import rows

ROWS = 2_000  # samples that stay in the processor's cache while all trees look at them


class Forest(IsolationForest):
    """scikit-learn's isolation forest, whose samples stay in the processor's cache while they are scored, ``n_jobs``
    parts of them at a time. Its scores are scikit-learn's own."""

    def fit(self, X: np.ndarray, y: None = None, sample_weight: np.ndarray | None = None) -> Forest:
        """As scikit-learn's."""
        super().fit(X, y, sample_weight)
        self.quick_ = QuickForest(self) if self.max_features == 1.0 else None
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """As scikit-learn's."""
        check_is_fitted(self)
        if self.quick_ is None:
            return super().score_samples(X)
        samples = validate_data(self, X, dtype=np.float32, order="C", reset=False, ensure_all_finite=False)
        with ThreadPoolExecutor(effective_n_jobs(self.n_jobs)) as pool:  # its trees do not hold Python's lock
            found = pool.map(self.quick_.anomaly, [samples[part] for part in rows(len(samples), ROWS)])
            return -np.concatenate(list(found))


class QuickForest:
    """What a fitted scikit-learn forest says of samples, without the checks that it makes at every call.

    Parameters
    ----------
    forest : all of its trees see all features.
    """

    def __init__(self, forest: IsolationForest) -> None:
        self._trees = [tree.tree_ for tree in forest.estimators_]
        self._lengths = [_lengths(tree) for tree in self._trees]
        self._usual = len(self._trees) * float(_unsplit(np.array([forest.max_samples_]))[0])

    def anomaly(self, samples: np.ndarray) -> np.ndarray:
        """(sample,) in (0, 1), minus the forest's ``score_samples``, of samples (sample, feature) float32."""
        total = np.zeros(len(samples))
        for tree, lengths in zip(self._trees, self._lengths, strict=True):
            total += lengths[tree.apply(samples)]
        return 2.0 ** -(total / self._usual) if self._usual else np.full(len(samples), 0.5)


def _lengths(tree: Any) -> np.ndarray:
    """(node,) the path to each node of a scikit-learn tree, with what is to be expected below it, unsplit."""
    return tree.compute_node_depths() + _unsplit(tree.n_node_samples) - 1


def _unsplit(n: np.ndarray) -> np.ndarray:
    """Mean path length of an unsuccessful search in a binary tree of n samples (Liu et al. 2008, eq. 1)."""
    return np.select([n <= 1, n == 2], [0.0, 1.0],
                     2 * (np.log(np.maximum(n, 2) - 1) + np.euler_gamma) - 2 * (n - 1) / np.maximum(n, 1))
