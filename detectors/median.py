"""Any detector, but what it finds has to last."""

from __future__ import annotations

import copy

import numpy as np
from scipy.ndimage import median_filter
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Detector, Episodes, Policy, besides, needed
from bench.errors import DetectorError


class MedianFilter(BaseEstimator):
    """The median of a detector's last few scores: with three, one strange step is noise, and two of them are not.

    A trigger takes several steps, and a network that recognises it is in an unusual state for more than one of them.

    Parameters
    ----------
    detector : whose scores are filtered, (episode, step) or (episode, step, agent).
    steps : over how many of the last steps, an odd number; before the battle its first score is repeated.

    Attributes
    ----------
    detector_ : the fitted detector.

    Raises
    ------
    DetectorError : a number of steps that is not odd and above 0.

    References
    ----------
    Tukey, "Exploratory data analysis", 1977, for running medians. Their use here is ours.
    """

    def __init__(self, detector: Detector, steps: int = 3) -> None:
        self.detector = detector
        self.steps = steps

    @property
    def needs(self) -> tuple[str, ...]:
        """See :class:`bench.contracts.Detector`."""
        return needed(self.detector)

    def fit(self, episodes: Episodes, **policies: Policy) -> MedianFilter:
        if self.steps < 1 or self.steps % 2 == 0:
            raise DetectorError(f"MedianFilter: steps is {self.steps}; allowed: odd numbers from 1")
        self.detector_ = copy.deepcopy(self.detector)
        self.detector_.fit(episodes, **besides(self.detector, policies))
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """As the detector's scores, and on their scale."""
        check_is_fitted(self)
        scores = np.asarray(self.detector_.score(episodes), float)
        along = [1] * scores.ndim
        along[1] = self.steps
        return median_filter(scores, along, mode="nearest", origin=[(size - 1) // 2 for size in along])
