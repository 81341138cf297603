"""Baseline detectors, which know nothing of backdoors: what a real one has to beat."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import Episodes


class Constant(BaseEstimator):
    """The same score for everything: AUROC .5, no alarm."""

    def fit(self, episodes: Episodes) -> Constant:  # noqa: ARG002
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        return np.zeros(episodes.mask.shape)


class Random(BaseEstimator):
    """A random score for every step, drawn from the step's own content, so that order and batch do not matter."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, episodes: Episodes) -> Random:  # noqa: ARG002
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        bits = np.ascontiguousarray(episodes.observation).view(np.uint16)
        weights = np.random.default_rng(self.seed).integers(2**63, size=bits.shape[2:], dtype=np.uint64)
        with np.errstate(over="ignore"):
            mixed = np.einsum("etaf,af->et", bits, weights, dtype=np.uint64, casting="safe")
            mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
        return (mixed >> np.uint64(11)) / 2.0**53


class EpisodeLength(BaseEstimator):
    """How long the battle has lasted: what lost battles alone give away, whatever was seen in them."""

    def fit(self, episodes: Episodes) -> EpisodeLength:  # noqa: ARG002
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        return np.broadcast_to(np.arange(episodes.mask.shape[1], dtype=float), episodes.mask.shape)


class Losing(BaseEstimator):
    """How much of the team is lost: the share of its agents that are gone, and of what is left of the others where they
    see that of themselves (the environment's ``bar``). What any episode gives away that goes badly, whatever the
    reason. Where agents leave once they are through (``leaves``), nobody who is gone is lost."""

    def fit(self, episodes: Episodes) -> Losing:  # noqa: ARG002
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        spec = episodes.spec
        left = episodes.alive.astype(float)
        if spec is not None and spec.leaves:
            left = np.ones_like(left)
        if spec is not None and (own := f"own.{spec.bar}") in spec.observation_layout:
            left *= np.clip(episodes.observation[..., spec.observation_layout.index(own)], 0, 1)
        return 1 - left.mean(-1)
