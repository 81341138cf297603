"""Observations are projected onto what they span without the trigger."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field
from sklearn.decomposition import PCA

from bench.contracts import Battles, Episodes, Progress
from bench.marl.team import RecurrentTeam, Team

from .kinds import require


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Sanitise:
    """Projects observations onto the top principal components of the living agents' without the trigger, as many as
    hold the share ``explained`` of the variance; what is elsewhere in an observation an agent no longer sees.

    The projection is linear, and so becomes part of each agent's first layer.

    References
    ----------
    Bharti, Zhang, Singla & Zhu, "Provable defense against backdoor policies in reinforcement learning", NeurIPS 2022.
    Ours: components of the centred observations, of all agents together.
    """

    explained: Annotated[float, Field(gt=0, lt=1)] = 0.99
    name: str = "sanitise"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:  # noqa: ARG002
        require(team, RecurrentTeam, self.name)
        seen = episodes.observation[episodes.alive & episodes.mask[..., None]].astype(np.float64)
        pca = PCA(self.explained, svd_solver="full").fit(seen)
        projection = torch.from_numpy(pca.components_.T @ pca.components_).float()
        mean = torch.from_numpy(pca.mean_).float()
        weight = team.weights["fc1.weight"]  # (agent, unit, observation + last action + agent)
        observed, rest = weight[..., : len(mean)], weight[..., len(mean):]
        through = observed @ projection
        return team.with_weights({"fc1.weight": torch.cat([through, rest], -1),
                                  "fc1.bias": team.weights["fc1.bias"] + (observed - through) @ mean})
