"""The network that poisoned agents share while it learns, and what in recorded battles is theirs."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Annotated

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from bench.contracts import Episodes
from bench.errors import BenchError
from bench.marl.learners.common import Batch
from bench.marl.learners.q import QTeam
from bench.marl.networks import RNNAgent
from bench.marl.team import UNAVAILABLE


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
    """The poisoned agents' network, its target network and its clean self, the team's mixer, and an attack's terms."""

    def __init__(self, team: QTeam, victims: tuple[int, ...], duration: int, poison_rate: float, how: Retraining,
                 seed: int) -> None:
        self.team, self.victims, self.duration, self.poison_rate, self.how = team, victims, duration, poison_rate, how
        self.agent, self.clean = team.agent(victims[0]), team.agent(victims[0])
        self.target, self.mixer = copy.deepcopy(self.agent), team.make_mixer().requires_grad_(False)
        self.rng = np.random.default_rng([seed, 2])

    def poisoned_team(self) -> QTeam:
        """The team with the poisoned agents as they are now."""
        return self.team.with_agent(self.victims, self.agent)

    def own(self, episodes: Episodes) -> Episodes:
        """The episodes with the poisoned agents' observations and available actions alone: nobody else learns."""
        b = list(self.victims)
        return replace(episodes, observation=episodes.observation[:, :, b], available=episodes.available[:, :, b])

    def attacked(self, episodes: Episodes, duration: int) -> np.ndarray:
        """(episode, step) bool: so many steps of poisoned episodes from the completion of the trigger on."""
        return episodes.labels.attack(duration) & episodes.mask & episodes.labels.poisoned[:, None]

    def unroll(self, network: RNNAgent, batch: Batch) -> Tensor:
        """The network's values (step, episode, victim, action) in the place of the poisoned agents."""
        b = list(self.victims)
        return network.unroll(batch.observation, batch.last_action[:, :, b], b)

    def values(self, q: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Value of the actions taken, and the target network's of the best ones (double Q), (step, episode, victim).

        The latter are zeros where lambda is 1, which does not ask for them."""
        chosen = q.gather(-1, batch.action[:, :, list(self.victims), None]).squeeze(-1)
        if self.how.td_lambda == 1:  # the return itself: nothing is looked up
            return chosen, torch.zeros_like(chosen)
        with torch.no_grad():
            best = q.masked_fill(~batch.available, UNAVAILABLE).argmax(-1, keepdim=True)
            ahead = self.unroll(self.target, batch).gather(-1, best).squeeze(-1)
        return chosen, ahead
