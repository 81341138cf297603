"""Counting: how rare is what an enemy unit did in its last few steps? What every clever detector has to beat."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes
from detectors.views.observation import WEST, EnemyMoves

SYMBOLS = WEST + 1


class NGram(BaseEstimator):
    """Surprise, -log of the frequency, of the last ``n`` moves of the enemy unit that surprises an agent most.

    Parameters
    ----------
    n : how many moves in a row are counted, from 1 on.
    smoothing : added to every count, so that a sequence that was never seen is rare and not impossible.

    Attributes
    ----------
    surprise_ : (6 ** n,) the surprise of each sequence of moves, in nats.
    """

    def __init__(self, n: int = 2, smoothing: float = 1.0) -> None:
        self.n = n
        self.smoothing = smoothing

    def fit(self, episodes: Episodes) -> NGram:
        grams = self._grams(episodes)
        watched = (episodes.alive & episodes.mask[..., None])[:, self.n - 1:]
        counts = np.bincount(grams[watched].ravel(), minlength=SYMBOLS**self.n) + self.smoothing
        self.surprise_ = -np.log(counts / counts.sum())
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in nats; 0 for the dead, and while fewer than ``n`` moves have been seen."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        scores[:, self.n - 1:] = self.surprise_[self._grams(episodes)].max(-1)
        return scores * episodes.alive

    def _grams(self, episodes: Episodes) -> np.ndarray:
        """(episode, step from n - 1 on, agent, enemy) the number of the sequence of the last n moves."""
        moves = EnemyMoves()(episodes).astype(np.int32)
        if moves.shape[1] < self.n:
            return np.zeros((len(moves), 0, *moves.shape[2:]), np.int32)
        return sliding_window_view(moves, self.n, axis=1) @ SYMBOLS ** np.arange(self.n, dtype=np.int32)[::-1]
