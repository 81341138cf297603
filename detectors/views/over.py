"""Views of other views: over time, and over the team."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import Episodes

from .observation import Step


class View(Protocol):
    """See :mod:`detectors.views`. It may also have ``needs``, as a :class:`bench.contracts.Detector` may."""

    def __call__(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent, feature) or (episode, step, feature) float32"""
        ...


def features(view: View | None, episodes: Episodes) -> np.ndarray:
    """What a view shows of episodes; without one, the observation of a single step."""
    return (Step() if view is None else view)(episodes)


def needs(view: View | None) -> tuple[str, ...]:
    """The columns that have to be recorded for a view."""
    return getattr(view, "needs", ())


class _Over(BaseEstimator):
    view: View | None

    @property
    def needs(self) -> tuple[str, ...]:
        return needs(self.view)


class Window(_Over):
    """The last ``length`` steps of a view (by default the observation), oldest first; zeros before the episode begins.

    (episode, step, ..., length * feature)
    """

    def __init__(self, length: int = 4, view: View | None = None) -> None:
        self.length = length
        self.view = view

    def __call__(self, episodes: Episodes) -> np.ndarray:
        seen = features(self.view, episodes)
        past = [(0, 0)] * seen.ndim
        past[1] = (self.length - 1, 0)
        padded = np.pad(seen, past)
        return np.concatenate([padded[:, k:k + seen.shape[1]] for k in range(self.length)], -1)


class Differences(_Over):
    """How a view (by default the observation) has changed since the step before, in the same shape; zeros at first."""

    def __init__(self, view: View | None = None) -> None:
        self.view = view

    def __call__(self, episodes: Episodes) -> np.ndarray:
        seen = features(self.view, episodes)
        return np.diff(seen, axis=1, prepend=seen[:, :1])


class Pooled(_Over):
    """Mean, greatest and least value of a view (by default the observation) over the living agents: the defender does
    not know which of them is poisoned. (episode, step, 3 * feature); zeros if none lives.
    """

    def __init__(self, view: View | None = None) -> None:
        self.view = view

    def __call__(self, episodes: Episodes) -> np.ndarray:
        seen, alive = features(self.view, episodes), episodes.alive[..., None]
        living = alive.sum(2)
        mean = np.where(alive, seen, 0).sum(2) / np.maximum(living, 1)
        greatest, least = np.where(alive, seen, -np.inf).max(2), np.where(alive, seen, np.inf).min(2)
        return np.where(living > 0, np.concatenate([mean, greatest, least], -1), 0).astype(np.float32)
