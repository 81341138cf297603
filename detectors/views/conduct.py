"""What the agents do, and what goes on in their networks."""

from __future__ import annotations

import numpy as np
from scipy.special import entr, softmax
from sklearn.base import BaseEstimator

from bench.contracts import NOBODY, Episodes

from ..recorded import recorded


class Hidden(BaseEstimator):
    """The recurrent state of an agent's network after the observation, (episode, step, agent, unit) in [-1, 1]."""

    needs = ("hidden",)

    def __call__(self, episodes: Episodes) -> np.ndarray:
        return recorded(episodes, "hidden", self)


class QValues(BaseEstimator):
    """How an agent prefers its available actions, by Q values in a value-based team: (episode, step, agent, 4).

    The margin between the best and the second best (0 if there is only one), the entropy of their softmax in nats, the
    greatest preference, and how far the chosen action's lies below it (0 where the agent is greedy).
    """

    needs = ("preference",)

    def __call__(self, episodes: Episodes) -> np.ndarray:
        preference = recorded(episodes, "preference", self)
        available = episodes.available | ~episodes.available.any(-1, keepdims=True)  # padding has none available
        possible = np.where(available, preference, -np.inf)
        second, best = np.moveaxis(np.partition(possible, -2, axis=-1)[..., -2:], -1, 0)
        margin = np.where(np.isfinite(second), best - second, 0)
        chosen = np.take_along_axis(preference, episodes.action[..., None], -1)[..., 0]
        return np.stack([margin, entr(softmax(possible, -1)).sum(-1), best, best - chosen], -1, dtype=np.float32)


class Actions(BaseEstimator):
    """What an agent does in its context: (episode, step, agent, 3 * action) of 0 and 1.

    One-hot the action, one-hot the action before it (zeros in the first step), and which actions are available.
    """

    def __call__(self, episodes: Episodes) -> np.ndarray:
        action = _one_hot(episodes)
        before = np.zeros_like(action)
        before[:, 1:] = action[:, :-1]
        return np.concatenate([action, before, episodes.available], -1, dtype=np.float32)


class TeamActions(BaseEstimator):
    """What the living agents do together: (episode, step, kind of action + 1).

    How many of them take each kind of action: such as go north or attack; and the
    most that act on the same outsider.
    """

    def __call__(self, episodes: Episodes) -> np.ndarray:
        spec = episodes.described
        counts = (_one_hot(episodes) * episodes.alive[..., None]).sum(2)
        kinds = counts @ np.eye(len(spec.action_kinds), dtype=np.float32)[spec.kind_of_action]
        towards = counts[..., spec.target_of_action != NOBODY]
        return np.concatenate([kinds, towards.max(-1, keepdims=True, initial=0)], -1)


def _one_hot(episodes: Episodes) -> np.ndarray:
    """(episode, step, agent, action) float32"""
    return np.eye(episodes.available.shape[3], dtype=np.float32)[episodes.action]
