"""A white-box model detector: agents whose weights are not their teammates'."""

from __future__ import annotations

import torch
from sklearn.base import BaseEstimator

from bench.contracts import Battles, Episodes
from bench.marl.team import Team


class WeightDifference(BaseEstimator):
    """How far the most deviating agent's weights are from its team's median weights, as a share of their norm.

    The agents of a clean VDN or QMIX team share one network, and one that was retrained alone has another. That is what
    this statistic sees, and all of it: benign retraining counts as much as a backdoor, and a backdoor in the network
    that all agents share as nothing. It knows the weights alone; nothing is played.

    References
    ----------
    Ours. Weights as evidence in themselves: Fields et al., "Trojan signatures in DNN weights", arXiv 2109.02836, 2021,
    which compares a classifier's classes where this compares a team's agents.
    """

    needs = ()

    def statistic(self, team: Team, battles: Battles, episodes: Episodes | None) -> float:  # noqa: ARG002
        """From 0, which a team of one network has."""
        weights = torch.cat([w.flatten(1) for w in team.weights.values()], 1)  # (agent, weight)
        median = weights.quantile(0.5, 0)
        return float((weights - median).norm(dim=1).max() / median.norm().clamp_min(torch.finfo(median.dtype).tiny))
