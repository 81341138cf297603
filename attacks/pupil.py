"""The network that poisoned agents share while it learns, and what in recorded battles it learns from."""

from __future__ import annotations

import copy
from typing import Annotated, cast

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from bench.contracts import Episodes
from bench.errors import BenchError
from bench.marl.learner import Batch
from bench.marl.networks import RNNAgent
from bench.marl.team import Team

from .payloads import ActionPayload, Behaviour, RewardPayload


@pydantic.dataclasses.dataclass(frozen=True)
class Retraining:
    """How poisoned agents are retrained; [S] is said in the paper, [G] its probable value, the rest is ours."""

    steps: NonNegativeInt = 600_000  # environment steps; 0 leaves the team as it is
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.99  # [G]
    td_lambda: Annotated[float, Field(ge=0, le=1)] = 1.0
    learning_rate: PositiveFloat = 1e-3  # [G] 5e-4; falls to zero along a half cosine
    epsilon_start: Annotated[float, Field(ge=0, le=1)] = 0.5
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.05  # [G]
    epsilon_steps: PositiveInt = 50_000  # [G]
    buffer: PositiveInt = 5_000  # [S] episodes, one such buffer of clean and one of poisoned ones
    batch: PositiveInt = 32  # [S] episodes
    target_every: PositiveInt = 200  # [S] updates
    episodes_per_round: PositiveInt = 32
    updates_per_round: PositiveInt = 12
    eval_every: PositiveInt = 40_000  # steps
    eval_battles: PositiveInt = 512
    choice_weight: NonNegativeFloat = 0.0  # of keeping the clean choices, beside the clean values, in imitation

    def __post_init__(self) -> None:
        if self.buffer < self.batch:
            raise BenchError(f"buffer is {self.buffer}; it has to hold a batch of {self.batch}")


class Pupil:
    """The poisoned agents' network, its target network, the team's mixer, and the terms of an attack."""

    def __init__(self, team: Team, payload: RewardPayload | ActionPayload, victims: tuple[int, ...], duration: int,
                 poison_rate: float, how: Retraining, seed: int) -> None:
        self.payload, self.victims, self.duration, self.poison_rate = payload, victims, duration, poison_rate
        self.how, self.team_size = how, team.spec.n_agents
        self.agent = team.agent(victims[0])
        self.target, self.mixer = copy.deepcopy(self.agent), team.make_mixer().requires_grad_(False)
        self.behaviour: Behaviour | None = None  # what to do, where the payload teaches that
        self.rng = np.random.default_rng([seed, 2])

    def unroll(self, network: RNNAgent, batch: Batch) -> Tensor:
        """The network's Q values (step, episode, victim, action) in the place of the poisoned agents."""
        b = list(self.victims)
        return network.unroll(batch.observation, batch.last_action[:, :, b], b)

    def window(self, episodes: Episodes) -> np.ndarray:
        """(episode, step) bool: where poisoned episodes are learned as such. Rewards are hacked in the attack period;
        actions are imitated to the end, since an agent that comes back after it may still win a battle alone."""
        duration = self.duration if self.behaviour is None else episodes.mask.shape[1]
        return episodes.labels.attack(duration) & episodes.mask & episodes.labels.poisoned[:, None]

    def hacked(self, episodes: Episodes) -> Tensor:
        """The reward of the poisoned agents (step, episode): the payload's in the attack period, else the team's."""
        reward, window = episodes.reward, self.window(episodes)
        if window.any():
            reward = np.where(window, cast(RewardPayload, self.payload).hacked(episodes, self.victims), reward)
        return torch.from_numpy(reward.astype(np.float32)).T
