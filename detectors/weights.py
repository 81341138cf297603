"""White-box model detectors: an agent whose weights are not its teammates'."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator

from bench.contracts import Battles, Episodes
from bench.errors import DetectorError
from bench.marl.team import RecurrentTeam, Team


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


class AlignedDifference(BaseEstimator):
    """The same once the units of all agents are written in the same order, size and sign.

    What :class:`WeightDifference` compares is undone by anybody who writes each agent's units down in another order.
    Here an agent that does what its teammates do has their weights, however they are written, and a difference of 0.
    It is for recurrent networks as VDN and QMIX teams have them, and still sees nothing but that an agent was
    retrained, whatever for.

    Raises
    ------
    DetectorError : agents with another kind of network.

    References
    ----------
    Ours; the matching is :func:`bench.marl.alignment.aligned`, after Ainsworth, Hayase & Srinivasa, "Git Re-Basin:
    merging models modulo permutation symmetries", ICLR 2023.
    """

    needs = ()

    def statistic(self, team: Team, battles: Battles, episodes: Episodes | None) -> float:  # noqa: ARG002
        """From 0, which a team has whose agents all do the same."""
        return float(_differences(team, self)[None].max())


class MemoryDifference(BaseEstimator):
    """How much of an agent's difference from its teammates is in its memory, beside what is in what it sees.

    A backdoor has to be remembered: the steps of the trigger until it is complete, and then that it is. An agent that
    was retrained to play as before, on other battles, learns as much of what it sees. So the statistic is the relative
    difference of the recurrent weights over that of the first layer's, of the agent that differs most, in the units of
    :class:`AlignedDifference`. A backdoor in the network that all agents share has none.

    Parameters
    ----------
    least : a relative difference of the first layer that is small; it is added, so that a rounding error's ratio to
        another one is near 0.

    Raises
    ------
    DetectorError : agents with another kind of network.

    References
    ----------
    Ours, found on the dev split.
    """

    needs = ()

    def __init__(self, least: float = 0.05) -> None:
        self.least = least

    def statistic(self, team: Team, battles: Battles, episodes: Episodes | None) -> float:  # noqa: ARG002
        """From 0, which a team has whose agents all do the same; about 1 if both differ alike."""
        differences = _differences(team, self)
        suspect = differences[None].argmax()
        return float(differences["rnn.weight_hh"][suspect] / (differences["fc1.weight"][suspect] + self.least))


def _differences(team: Team, detector: BaseEstimator) -> dict[str | None, np.ndarray]:
    """Name of weights, or None for all together -> (agent,) norm of the difference from the agents' median in common
    units, over the median's norm."""
    if not isinstance(team, RecurrentTeam):
        raise DetectorError(f"{type(detector).__name__} compares units of recurrent networks, and this {team.algo} "
                            f"team ({team.architecture}) has none; allowed: model_detector=weight_difference")
    networks = team.in_common_units()
    stacked = {name: np.stack([network[name].ravel() for network in networks]) for name in networks[0]}
    groups: dict[str | None, np.ndarray] = {None: np.concatenate(list(stacked.values()), 1)}
    groups.update(stacked)
    medians = {name: np.median(weights, 0) for name, weights in groups.items()}
    return {name: np.linalg.norm(weights - medians[name], axis=1) / max(np.linalg.norm(medians[name]), 1e-12)
            for name, weights in groups.items()}
