"""DEXTER: what an agent sees as time series, their features, and an isolation forest for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.ensemble import IsolationForest
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes

from .cusum import cusum
from .forest import QuickForest
from .recorded import by_agent, by_step, chunks, living, living_steps

CHUNK = 200  # episodes that are looked at together: a forest takes many windows almost as fast as few
MOST_WINDOWS = 5_000  # that the forests are grown on
LEAST_DEVIATION = 1e-6  # of scores that lie in (0, 1)


class Dexter(BaseEstimator):
    """Mean over an observation's dimensions of how easily their last few values are isolated, and its CUSUM.

    Each dimension is a time series of its own; the features of a sliding window of it go to an isolation forest of
    its own, which agents share. The mean of the forests' scores is standardised by what it is in normal battles.

    Parameters
    ----------
    window : steps; before the battle begins its first step is repeated.
    n_estimators : trees of every forest.
    slack : None for the scores themselves (DEXTER), or what the CUSUM of them lets pass each step, in standard
        deviations (DEXTER+C).

    Attributes
    ----------
    dimensions_ : the dimensions that change at all.
    forests_ : one fitted forest for each of them.
    mean_, deviation_ : of the forests' mean score in normal battles.

    References
    ----------
    Nasvytis et al., "Rethinking out-of-distribution detection for reinforcement learning", AAMAS 2024, arXiv
    2404.07099: windows of 10 steps, some 780 tsfresh features of each dimension, forests of 100 trees, their mean.
    Ours: seven of those features (see :func:`series_features`), 10 trees, since there are many forests; scores from
    the first step on; one set of forests for all agents.
    """

    def __init__(self, window: int = 10, n_estimators: int = 10, slack: float | None = None, seed: int = 0) -> None:
        self.window = window
        self.n_estimators = n_estimators
        self.slack = slack
        self.seed = seed

    def fit(self, episodes: Episodes) -> Dexter:
        self.dimensions_ = np.nonzero(np.ptp(episodes.observation[living(episodes)], axis=0))[0]
        where = living_steps(episodes, MOST_WINDOWS, self.seed)
        self.forests_ = [QuickForest(IsolationForest(
            n_estimators=self.n_estimators, max_samples=min(256, len(features)), random_state=self.seed).fit(features))
                         for features in map(series_features, self._series(episodes, where))]
        normal = self._mean_score(episodes, where)
        self.mean_, self.deviation_ = normal.mean(), max(normal.std(), LEAST_DEVIATION)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), in standard deviations; 0 for the dead."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        for begin, some in chunks(episodes, CHUNK):
            found = np.zeros(by_agent(some.alive).shape)
            if len(where := living_steps(some)):
                found[tuple(where.T)] = (self._mean_score(some, where) - self.mean_) / self.deviation_
            scores[begin] = by_step(found, some)
        return scores if self.slack is None else cusum(scores, self.slack) * living(episodes)

    def _series(self, episodes: Episodes, where: np.ndarray) -> Iterator[np.ndarray]:
        """(step, window) of the windows that end at ``where``, one dimension after the other."""
        sequence, step = where.T[:, None]
        step = np.maximum(step + np.arange(1 - self.window, 1)[:, None], 0)
        place = sequence * episodes.mask.shape[1] + step
        for values in by_agent(episodes.observation).transpose(2, 0, 1)[self.dimensions_]:
            yield values.ravel().take(place)

    def _mean_score(self, episodes: Episodes, where: np.ndarray) -> np.ndarray:
        """(window,) in (0, 1), of the windows that end at ``where``. Equal windows, of which there are many, are scored
        once."""
        total = np.zeros(len(where))
        for forest, series in zip(self.forests_, self._series(episodes, where), strict=True):
            first, number = distinct(series)
            total += forest.anomaly(series_features(series[:, first]))[number]
        return total / len(self.forests_)


def distinct(series: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of time series (step, window) float16: where each one stands first, (distinct window,), and which of those each
    is, (window,)."""
    bits = series.view(np.uint16)
    weights = np.random.default_rng(0).integers(2**63, size=(len(bits), 1), dtype=np.uint64)
    number, _ = pd.factorize((bits * weights).sum(0))  # by a hash, which takes a tenth of the time of sorting
    first = np.empty(number.max(initial=-1) + 1, int)
    first[number[::-1]] = np.arange(len(number))[::-1]
    if (bits[:, first[number]] == bits).all():
        return first, number
    return np.arange(len(number)), np.arange(len(number))  # two of them have the same hash: each for itself


def series_features(series: np.ndarray) -> np.ndarray:
    """(window, feature) of time series (step, window): mean, standard deviation, least, greatest, last less first,
    mean absolute change, autocovariance at lag 1; float32."""
    series = series.astype(np.float32)
    mean = series.mean(0)
    centred, change = series - mean, np.abs(np.diff(series, axis=0))
    return np.stack([mean, np.sqrt((centred**2).mean(0)), series.min(0), series.max(0),
                     series[-1] - series[0], change.mean(0), (centred[1:] * centred[:-1]).mean(0)], axis=-1)
