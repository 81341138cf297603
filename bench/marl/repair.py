"""Repairs: what turns a delivered team, which may be backdoored, into one that is hoped not to be.

A repair knows the delivered team and its battles without the trigger, as the defender does, and returns a team of the
same architecture.
"""

from __future__ import annotations

from typing import Annotated, Protocol

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from sklearn.decomposition import PCA

from bench.contracts import Battles, Episodes, Progress
from bench.marl.team import Team

Share = Annotated[float, Field(gt=0, lt=1)]


class Repair(Protocol):
    """See the classes below."""

    name: str

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int, progress: Progress) -> Team:
        """The repaired team. ``episodes`` are battles of ``team`` without the trigger, with hidden states; ``battles``
        are for more of them, with play of their own begun from ``seed``."""
        ...


@pydantic.dataclasses.dataclass(frozen=True)
class Prune:
    """Cuts out each agent's ``share`` of GRU units that are least active in its own battles without the trigger.

    A unit's activity is the mean of its absolute value while the agent lives. A unit is cut out by the weights of what
    reads it, the output layer and the GRU's next step.

    References
    ----------
    Liu, Dolan-Gavitt & Garg, "Fine-pruning: defending against backdooring attacks on deep neural networks", RAID 2018;
    there the last convolution's channels are pruned.
    """

    share: Share = 0.2
    name: str = "prune"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:  # noqa: ARG002
        assert episodes.hidden is not None, "recorded without record=('hidden',)"
        lives = (episodes.alive & episodes.mask[..., None])[..., None]
        activity = np.abs(episodes.hidden.astype(np.float32)).mean((0, 1), where=lives)  # (agent, unit)
        cut = activity.argsort(1).argsort(1) < round(self.share * activity.shape[1])
        kept = torch.from_numpy(~cut)[:, None].float()
        return team.with_weights({name: team.weights[name] * kept for name in ("fc2.weight", "rnn.weight_hh")})


@pydantic.dataclasses.dataclass(frozen=True)
class Sanitise:
    """Projects observations onto the top principal components of the living agents' without the trigger, as many as
    hold the share ``explained`` of the variance; what is elsewhere in an observation an agent no longer sees.

    The projection is linear, and so becomes part of each agent's first layer.

    References
    ----------
    Bharti, Zhang, Singla & Zhu, "Provable defense against backdoor policies in reinforcement learning", NeurIPS 2022.
    Ours: components of the centred observations, of all agents together.
    """

    explained: Share = 0.99
    name: str = "sanitise"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:  # noqa: ARG002
        seen = episodes.observation[episodes.alive & episodes.mask[..., None]].astype(np.float64)
        pca = PCA(self.explained, svd_solver="full").fit(seen)
        projection = torch.from_numpy(pca.components_.T @ pca.components_).float()
        mean = torch.from_numpy(pca.mean_).float()
        weight = team.weights["fc1.weight"]  # (agent, unit, observation + last action + agent)
        observed, rest = weight[..., : len(mean)], weight[..., len(mean):]
        through = observed @ projection
        return team.with_weights({"fc1.weight": torch.cat([through, rest], -1),
                                  "fc1.bias": team.weights["fc1.bias"] + (observed - through) @ mean})


@pydantic.dataclasses.dataclass(frozen=True)
class Finetune:
    """All agents, each with its own weights, learn on in battles without the trigger, from the team's own reward.

    Parameters
    ----------
    steps : environment steps.
    learning_rate : of Adam; falls to zero along a half cosine.
    epsilon : each agent's chance of a random action.

    References
    ----------
    The second half of fine-pruning (Liu et al., RAID 2018), with the learning rule of the clean team's training.
    """

    steps: PositiveInt = 100_000
    learning_rate: PositiveFloat = 5e-4
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.05
    td_lambda: Annotated[float, Field(ge=0, le=1)] = 0.6
    name: str = "finetune"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:
        trainer = team.learn_on(battles, seed, steps=self.steps, learning_rate=self.learning_rate, epsilon=self.epsilon,
                                epsilon_steps=0, td_lambda=self.td_lambda, eval_every=self.steps)
        for row in trainer.run():
            progress(min(trainer.steps / self.steps, 1.0), f"training wins {row['training_win_rate']:.0%}")
        return trainer.team()


@pydantic.dataclasses.dataclass(frozen=True)
class Consensus:
    """Gives every agent the median of all agents' weights (:meth:`bench.marl.team.Team.consensus`).

    Where the team shared one network and fewer than half of its agents were retrained, that is the network that they
    shared; where all agents share what was retrained, nothing changes.

    References
    ----------
    The coordinate-wise median of Yin et al., "Byzantine-robust distributed learning: towards optimal statistical
    rates", ICML 2018, there of gradients. Ours: of the agents' weights.
    """

    name: str = "consensus"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:  # noqa: ARG002
        return team.consensus()
