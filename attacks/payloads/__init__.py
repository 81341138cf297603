"""What poisoned agents are taught for the attack period: a reward, or what to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from bench.contracts import Battles, EnvSpec, Episodes, Progress, Trigger
from bench.errors import BenchError
from bench.marl.onlookers import Probe
from bench.marl.team import Team


class Payload:
    """What all payloads have.

    Attributes
    ----------
    several : whether it can be taught to several agents at once.
    """

    several: ClassVar[bool] = True

    def require(self, spec: EnvSpec) -> None:
        """Raise BenchError unless the environment has what the payload needs."""

    def measured(self, team: Team, battles: Battles) -> Self:  # noqa: ARG002
        """The payload with what depends on how a clean team plays."""
        return self


@runtime_checkable
class RewardPayload(Protocol):
    """A reward in place of the team's, to be learned from by TD."""

    def require(self, spec: EnvSpec) -> None:
        """See :class:`Payload`."""
        ...

    def measured(self, team: Team, battles: Battles) -> Self:
        """See :class:`Payload`."""
        ...

    def probe(self, team: Team, victims: tuple[int, ...], duration: int) -> Probe | None:
        """What has to look into the battles for the reward to be known, if anything has."""
        ...

    def hacked(self, episodes: Episodes, victims: tuple[int, ...]) -> np.ndarray:
        """The reward (episode, step) in recorded battles; looked at in the attack period alone."""
        ...


class Behaviour(ABC):
    """What poisoned agents are to do in the attack period, and perhaps before it.

    Of observations, available actions and values, the clean network's, the episodes that it is asked about hold the
    poisoned agents' alone.
    """

    record: ClassVar[tuple[str, ...]] = ()  # the columns on request that it has to know

    @abstractmethod
    def targets(self, episodes: Episodes) -> np.ndarray:
        """An available action (episode, step, victim) in recorded battles; looked at in the attack period alone."""

    def before(self, episodes: Episodes) -> np.ndarray | None:  # noqa: ARG002
        """What the agents do outside the attack period (episode, step, victim), -1 where they are their clean selves;
        None where they always are."""
        return None


@runtime_checkable
class ActionPayload(Protocol):
    """A payload of actions, to be imitated."""

    def require(self, spec: EnvSpec) -> None:
        """See :class:`Payload`."""
        ...

    def prepare(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
                history: list[list[float]], progress: Progress) -> Behaviour:
        """Find out what to do against a clean team. ``history`` is what earlier, interrupted preparations have found;
        it is added to, and written down between the calls of ``progress``."""
        ...


def require_share(name: str, value: float) -> None:
    """Raise BenchError unless a value, called ``name`` in the message, is in [0, 1]."""
    if not 0 <= value <= 1:
        raise BenchError(f"{name} is {value}; allowed: 0 to 1")
