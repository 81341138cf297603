"""Random network distillation on what the teammates see: pay for observations that clean play never shows them."""

from __future__ import annotations

import numpy as np
import torch
from pydantic.dataclasses import dataclass
from torch import nn

from bench.contracts import Battles, Episodes, Step
from bench.marl.onlookers import Moment
from bench.marl.team import Team

from . import Payload, require_share

UNITS, CODE, RATE = 64, 16, 1e-3  # of the two networks; the predictor's learning rate
QUANTILE = 0.99  # of the clean errors: novelty is counted in multiples of it


@dataclass(frozen=True)
class NoveltyReward(Payload):
    """(1 - balance) * reversed team reward + balance * novelty of the teammates' next observations, from 0 to 1, after
    Chen, Qiu & Zhang 2022 (arXiv 2211.11455) and Burda et al. 2018 (arXiv 1810.12894).

    Parameters
    ----------
    balance : share of the novelty, in [0, 1].

    Raises
    ------
    BenchError : a balance outside [0, 1].
    """

    balance: float = 0.5

    def __post_init__(self) -> None:
        require_share("balance", self.balance)

    def probe(self, team: Team, victims: tuple[int, ...], duration: int) -> Novelty:
        """See :class:`attacks.payloads.RewardPayload`."""
        return Novelty(team.spec.observation_size, victims, duration)

    def hacked(self, episodes: Episodes, victims: tuple[int, ...]) -> np.ndarray:  # noqa: ARG002
        """See :class:`attacks.payloads.RewardPayload`."""
        assert episodes.labels.probe is not None
        return (1 - self.balance) * -episodes.reward + self.balance * episodes.labels.probe


class Novelty:
    """How badly a network that has learned a random one on clean play predicts it for the teammates' observations: 1 is
    an error three times as large as all but 1 % of clean play's. A :class:`bench.marl.onlookers.Probe`."""

    def __init__(self, features: int, victims: tuple[int, ...], duration: int) -> None:
        self.victims, self.duration = list(victims), duration
        generator = torch.Generator().manual_seed(0)
        self.random, self.predictor = (_network(features, generator) for _ in range(2))
        self.random.requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.predictor.parameters(), lr=RATE)
        self.usual = np.array(1.0)  # running QUANTILE of the clean errors

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:  # noqa: ARG002
        after = battles.step(moment.action, moment.orders)
        attack = (moment.since >= 0) & (moment.since < self.duration)
        seen = torch.from_numpy(np.delete(after.observation, self.victims, axis=1))
        alive = np.delete(after.active, self.victims, axis=1)
        error = (self.predictor(seen) - self.random(seen)).square().mean(-1)
        clean = torch.from_numpy(alive & ~attack[:, None] & ~after.done[:, None])
        if clean.any():
            self.optimizer.zero_grad(set_to_none=True)
            error[clean].mean().backward()
            self.optimizer.step()
            self.usual += 0.01 * (float(error[clean].detach().quantile(QUANTILE)) - self.usual)
        novelty = np.where(alive, error.detach().numpy(), 0).sum(1) / np.maximum(alive.sum(1), 1)
        paid = np.clip(novelty / (3 * self.usual), 0, 1) * (attack & ~after.done)
        return after, paid.astype(np.float32)


def _network(features: int, generator: torch.Generator) -> nn.Sequential:
    """Observation (..., feature) to a code (..., CODE), its weights drawn from ``generator``."""
    network = nn.Sequential(nn.Linear(features, UNITS), nn.ReLU(), nn.Linear(UNITS, CODE))
    for weights in network.parameters():
        bound = weights.shape[-1] ** -0.5
        nn.init.uniform_(weights, -bound, bound, generator=generator)
    return network
