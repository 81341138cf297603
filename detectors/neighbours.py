"""Outliers by their nearest neighbours, which are found by matrix products: in hundreds of features that is fast.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils.validation import check_is_fitted, validate_data

from .recorded import rows

TOGETHER = 500  # samples whose distances to all others are held at a time


class KNN(OutlierMixin, BaseEstimator):
    """Euclidean distance to the ``n_neighbors``-th nearest of the fitted samples, as PyOD's KNN.

    References
    ----------
    Ramaswamy, Rastogi & Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000.
    """

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: np.ndarray, y: None = None) -> KNN:  # noqa: ARG002
        self.known_ = validate_data(self, X, dtype=np.float32)
        if not 0 < self.n_neighbors < len(self.known_):
            raise ValueError(f"n_neighbors is {self.n_neighbors}; allowed: 1 to one less than the "
                             f"{len(self.known_)} samples")
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """(sample,) minus the distance: higher is more normal, at most 0."""
        check_is_fitted(self)
        samples = validate_data(self, X, dtype=np.float32, reset=False)
        return -nearest(samples, self.known_, self.n_neighbors)[0][:, -1]


class LOF(LocalOutlierFactor):
    """scikit-learn's local outlier factor of new samples, Euclidean, but for how their neighbours are found."""

    def __init__(self, n_neighbors: int = 20) -> None:
        super().__init__(n_neighbors=n_neighbors, novelty=True)

    def kneighbors(self, X: np.ndarray | None = None, n_neighbors: int | None = None,
                   return_distance: bool = True) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
        """As scikit-learn's, which finds the neighbours of the fitted samples themselves (without ``X``)."""
        if X is None:
            return super().kneighbors(None, n_neighbors, return_distance)
        found = nearest(np.asarray(X, np.float32), np.asarray(self._fit_X, np.float32), n_neighbors or self.n_neighbors)
        return found if return_distance else found[1]


def nearest(samples: np.ndarray, known: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The Euclidean distances (sample, k), ascending, to the nearest of the known samples, and which those are. Who is
    nearest is found in float32 from squared lengths and products; the distances are taken anew, from differences."""
    a, b = torch.from_numpy(samples), torch.from_numpy(known)
    lengths, distances, indices = (b ** 2).sum(1), [], []
    for some in rows(len(a), TOGETHER):
        index = torch.addmm(lengths, a[some], b.T, alpha=-2).topk(k, largest=False, sorted=False).indices
        distance, order = (a[some, None] - b[index]).norm(dim=-1).sort(dim=1)
        distances.append(distance.numpy())
        indices.append(index.gather(1, order).numpy())
    return (np.concatenate(distances), np.concatenate(indices)) if len(a) else (np.zeros((0, k)), np.zeros((0, k), int))
