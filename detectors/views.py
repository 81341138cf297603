"""Views: from episodes to the features that a detector looks at, (episode, step, agent, feature) float32, causal."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import Episodes


class Step(BaseEstimator):
    """The observation of a single step."""

    def __call__(self, episodes: Episodes) -> np.ndarray:
        return episodes.observation.astype(np.float32)


class Window(BaseEstimator):
    """The observations of the last ``length`` steps, oldest first; zeros before the episode begins."""

    def __init__(self, length: int = 4) -> None:
        self.length = length

    def __call__(self, episodes: Episodes) -> np.ndarray:
        past = [(0, 0)] * episodes.observation.ndim
        past[1] = (self.length - 1, 0)
        padded = np.pad(episodes.observation, past)
        steps = episodes.observation.shape[1]
        return np.concatenate([padded[:, k:k + steps] for k in range(self.length)], -1).astype(np.float32)
