"""A grey-box model detector: agents whose recurrent states and preferences are distributed unlike their teammates'."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import Battles, Episodes
from bench.marl.team import Team

from .recorded import LEAST_DEVIATION, living, recorded


class ActivationStatistics(BaseEstimator):
    """How unlike its teammates' the most deviating agent's hidden states and preferences are, without the trigger.

    Of every agent: the mean of each hidden unit, of the greatest preference and of its lead over the mean of the
    available ones. An agent's deviation is the root mean square of the standardised differences (Cohen's d) of these
    means from those of its teammates, and the statistic is the greatest deviation divided by the median one, since even
    agents that share their weights stand in different places and are not alike. It knows what agents compute in normal
    play, and neither weights nor simulator.

    References
    ----------
    Ours. That backdoors leave a trace in activations on clean inputs is the premise of Vyas, Hicks & Mavroudis, arXiv
    2407.15168, 2024, and of NIST TrojAI entries that learn from activations; both have clean models to compare with,
    where a team has its other agents.
    """

    needs = ("episodes", "hidden", "preference")

    def statistic(self, team: Team, battles: Battles, episodes: Episodes) -> float:  # noqa: ARG002
        """From 1, which a team has whose agents deviate all alike."""
        lives = living(episodes)[..., None]
        features = np.concatenate([recorded(episodes, "hidden", self), _preferences(episodes, self)], -1)
        mean = features.mean((0, 1), where=lives)  # (agent, feature)
        deviation = np.maximum(features.std((0, 1), where=lives), LEAST_DEVIATION)
        teammates = (mean.sum(0) - mean) / max(len(mean) - 1, 1)
        differences = (mean - teammates) / np.sqrt((deviation**2).mean(0))
        distance = np.sqrt((differences**2).mean(-1))  # (agent,)
        return float(distance.max() / max(np.median(distance), np.finfo(float).tiny))


def _preferences(episodes: Episodes, user: object) -> np.ndarray:
    """(episode, step, agent, 2) the greatest available preference, and its lead over their mean; 0 of the dead."""
    preference, there = recorded(episodes, "preference", user), episodes.available & living(episodes)[..., None]
    greatest = np.where(there, preference, -np.inf).max(-1, initial=-np.inf)
    mean = np.where(there, preference, 0).sum(-1) / np.maximum(there.sum(-1), 1)
    greatest = np.where(np.isfinite(greatest), greatest, 0)
    return np.stack([greatest, greatest - mean], -1)
