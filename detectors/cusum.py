"""Page's cumulative sum: many small deviations in a row weigh as much as one large one."""

from __future__ import annotations

import numpy as np


def cusum(deviation: np.ndarray, slack: float) -> np.ndarray:
    """S_t = max(0, S_{t-1} + deviation_t - slack) along axis 1 of (episode, step, ...), from S = 0.

    ``deviation`` is in standard deviations from its normal mean; changes of the mean by less than ``slack`` are let
    pass (Page, "Continuous inspection schemes", Biometrika 41, 1954).
    """
    path = np.cumsum(deviation - slack, axis=1)
    return path - np.minimum(np.minimum.accumulate(path, axis=1), 0)
