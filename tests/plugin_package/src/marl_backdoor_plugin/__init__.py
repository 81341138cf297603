"""A detector, a view and a model detector that know the benchmark's contracts and nothing else of it."""

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


class Headcount:
    """A view: how many agents live, (episode, step, 1)."""

    def __call__(self, episodes):
        return episodes.alive.sum(2, dtype=np.float32)[..., None]


class Loud:
    """A model detector: the greatest weight of any agent."""

    needs = ()

    def __init__(self, scale=1.0):
        self.scale = scale

    def statistic(self, team, battles, episodes):
        return self.scale * max(float(value.abs().max()) for value in team.weights.values())
