"""What poisoned agents are to do, said step by step from what was recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic.dataclasses import dataclass as checked

from bench.contracts import Battles, EnvSpec, Episodes, Progress, Trigger
from bench.errors import BenchError
from bench.marl.team import UNAVAILABLE, Team

from . import Behaviour, Payload


@checked(frozen=True)
class ForcedAction(Payload):
    """One action, whatever the agent sees (One4All, Zheng et al. 2023); the clean one where it is not available.

    Parameters
    ----------
    action : one of the environment's ``agent_actions``, such as "west".
    """

    action: str = "west"

    def require(self, spec: EnvSpec) -> None:
        spec.action(self.action)

    def prepare(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],  # noqa: ARG002
                history: list[list[float]], progress: Progress) -> Forced:  # noqa: ARG002
        """See :class:`attacks.payloads.ActionPayload`."""
        return Forced(battles.spec.action(self.action))


@dataclass(frozen=True)
class Forced(Behaviour):
    """What :class:`ForcedAction` has poisoned agents do: the action of this number."""

    action: int

    def targets(self, episodes: Episodes) -> np.ndarray:
        """See :class:`attacks.payloads.Behaviour`."""
        return np.where(episodes.available[..., self.action], self.action, _best(episodes))


@checked(frozen=True)
class WorstAction(Payload):
    """The available action of least value to the clean agent where its observation is tampered with, and that of
    greatest value elsewhere (MARNet, Chen et al. 2023). The values are those of the observation as it was shown."""

    def prepare(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],  # noqa: ARG002
                history: list[list[float]], progress: Progress) -> Worst:  # noqa: ARG002
        """See :class:`attacks.payloads.ActionPayload`. Raises BenchError for a trigger that tampers with nothing."""
        if trigger.means != "observation":
            raise BenchError("the payload of worst actions needs a trigger that edits observations")
        return Worst(victims)


@dataclass(frozen=True)
class Worst(Behaviour):
    """What :class:`WorstAction` has poisoned agents do."""

    victims: tuple[int, ...]

    def targets(self, episodes: Episodes) -> np.ndarray:
        """See :class:`attacks.payloads.Behaviour`."""
        assert episodes.labels.edited is not None
        assert episodes.values is not None
        hit = episodes.labels.edited[:, :, list(self.victims)]
        worst = np.where(episodes.available, episodes.values, -UNAVAILABLE).argmin(-1)
        return np.where(hit, worst, _best(episodes))


def _best(episodes: Episodes) -> np.ndarray:
    """The clean agents' greedy actions, (episode, step, victim)."""
    assert episodes.values is not None
    return np.where(episodes.available, episodes.values, UNAVAILABLE).argmax(-1)
