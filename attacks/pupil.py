"""The network that poisoned agents share while it learns, and what in recorded battles is theirs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bench import options
from bench.contracts import Episodes
from bench.errors import BenchError
from bench.marl.learners.common import Batch
from bench.marl.learners.q import QTeam
from bench.marl.networks import RNNAgent
from bench.marl.team import UNAVAILABLE, RecurrentTeam


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Retraining:
    """How poisoned agents are retrained. ``conf/retraining/victims.yaml`` has the values, and where they come from."""

    steps: NonNegativeInt  # environment steps; 0 leaves the team as it is
    gamma: Annotated[float, Field(ge=0, le=1)]
    td_lambda: Annotated[float, Field(ge=0, le=1)]
    learning_rate: PositiveFloat
    epsilon_start: Annotated[float, Field(ge=0, le=1)]
    epsilon: Annotated[float, Field(ge=0, le=1)]
    epsilon_steps: PositiveInt
    buffer: PositiveInt  # episodes, one such buffer of clean and one of poisoned ones
    batch: PositiveInt  # episodes
    target_every: PositiveInt  # updates
    episodes_per_round: PositiveInt
    updates_per_round: PositiveInt
    eval_every: PositiveInt  # steps
    eval_battles: PositiveInt
    # Defaults, since the names of teams that were made before there was a choice are hashes of all values.
    choice_weight: NonNegativeFloat = 0.0  # of keeping the clean choices, beside or in place of the clean values
    schedule: Literal["cosine", "constant"] = "cosine"  # the learning rate falls to zero along a half cosine, or stays
    optimizer: Literal["adam", "rmsprop"] = "adam"  # PyMARL has the latter
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0  # decay of the weights' moving average; 0: none
    hold: NonNegativeInt = 0  # steps of the attack period for which a random action is held; 0: none is
    hold_chance: Annotated[float, Field(ge=0, le=1)] = 0.25
    keep: Literal["best", "last"] | None = None  # which agent is delivered; None: the best, and the other not written

    @classmethod
    def of(cls, *, steps: int, **changes: Any) -> Retraining:
        """What ``conf/retraining/victims.yaml`` says, but for the steps, which are a run's own, and for some changes.
        """
        values = options.values("retraining", "victims") | changes
        del values["_target_"]
        return cls(**values | {"steps": steps})

    def __post_init__(self) -> None:
        if self.buffer < self.batch:
            raise BenchError(f"buffer is {self.buffer}; it has to hold a batch of {self.batch}")


class Pupil:
    """The poisoned agents' network, its target network and its clean self, and an attack's terms."""

    def __init__(self, team: RecurrentTeam, victims: tuple[int, ...], duration: int, poison_rate: float,
                 how: Retraining, seed: int, departures: Sequence[str] = ()) -> None:
        self.team, self.victims, self.duration, self.poison_rate, self.how = team, victims, duration, poison_rate, how
        self.departures = frozenset(departures)  # from the rule that is learned by
        self.agent, self.clean = team.agent(victims[0]), team.agent(victims[0])
        self.target = copy.deepcopy(self.agent)
        self.seed, self.rng = seed, np.random.default_rng([seed, 2])

    @cached_property
    def mixer(self) -> nn.Module:
        """That of a value-based team."""
        assert isinstance(self.team, QTeam)
        return self.team.make_mixer().requires_grad_(False)

    def poisoned_team(self) -> RecurrentTeam:
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
