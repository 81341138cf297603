"""What a rule is that poisoned agents learn by, and what those have in common that learn from rewards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.contracts import Battles, Episodes, Progress, Trigger
from bench.marl.learners.q import QTeam
from bench.marl.onlookers import Probe
from bench.marl.replay import Replay
from bench.marl.team import RecurrentTeam

from ..payloads import RewardPayload
from ..pupil import Pupil


class Rule(ABC):
    """What is recorded for poisoned agents to learn from, what is prepared before, and the loss that is minimised.

    Attributes
    ----------
    teaches : the kind of payload that the rule is for.
    kind : the teams that it is for.
    departures : those from the rule that may be made.
    samples : whether the poisoned agents draw their actions while they learn.
    networks : what learns beside the poisoned agents, by name; none of it is delivered.
    """

    teaches: ClassVar[type]
    kind: ClassVar[type[RecurrentTeam]] = QTeam
    departures: ClassVar[tuple[str, ...]] = ()
    samples: ClassVar[bool] = False
    networks: Mapping[str, nn.Module] = MappingProxyType({})

    def __init__(self, pupil: Pupil, payload: Any) -> None:
        self.pupil, self.payload = pupil, payload

    @property
    def record(self) -> tuple[str, ...]:
        """The columns on request that it needs."""
        return ("state",)

    @abstractmethod
    def prepare(self, battles: Battles, trigger: Trigger, history: list[list[float]], progress: Progress) -> None:
        """Find out, before any learning, what there is to learn. ``history`` is what earlier, interrupted preparations
        have found; it is added to, and written down between the calls of ``progress``."""

    def probe(self) -> Probe | None:
        """What has to look into the battles."""
        return None

    @abstractmethod
    def window(self, episodes: Episodes) -> np.ndarray:
        """(episode, step) bool: where poisoned episodes are learned as such."""

    @abstractmethod
    def keep(self, episodes: Episodes) -> Episodes:
        """What of recorded battles goes into the replays."""

    @abstractmethod
    def loss(self, replays: dict[bool, Replay]) -> Tensor:
        """Of a batch from the replays of poisoned and clean episodes, as far as there are such."""


class Rewarded(Rule):
    """A rule for rewards, which are hacked in the attack period alone."""

    teaches = RewardPayload
    payload: RewardPayload

    def prepare(self, battles: Battles, trigger: Trigger, history: list[list[float]],  # noqa: ARG002
                progress: Progress) -> None:  # noqa: ARG002
        """See :class:`Rule`."""
        self.payload = self.payload.measured(self.pupil.team, battles)

    def probe(self) -> Probe | None:
        """See :class:`Rule`."""
        return self.payload.probe(self.pupil.team, self.pupil.victims, self.pupil.duration)

    def window(self, episodes: Episodes) -> np.ndarray:
        """See :class:`Rule`."""
        return self.pupil.attacked(episodes, self.pupil.duration)

    def hacked(self, episodes: Episodes) -> Tensor:
        """The reward of the poisoned agents (step, episode): the payload's in the attack period, else the team's."""
        reward, window = episodes.reward, self.window(episodes)
        if window.any():
            reward = np.where(window, self.payload.hacked(episodes, self.pupil.victims), reward)
        return torch.from_numpy(reward.astype(np.float32)).T
