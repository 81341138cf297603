"""A detector that knows the benchmark's contract and nothing else of it."""

import numpy as np


class FarFromNormal:
    """How many standard deviations an agent's strangest observation feature is away from what it was in ``fit``."""

    def __init__(self, spread=1e-3):
        self.spread = spread

    def fit(self, episodes):
        seen = episodes.observation[episodes.alive & episodes.mask[..., None]].astype(float)
        self.mean_, self.std_ = seen.mean(0), seen.std(0) + self.spread
        return self

    def score(self, episodes):
        return np.abs((episodes.observation - self.mean_) / self.std_).max(-1)
