"""The reward of BLAST, the paper's follow-up (arXiv 2501.01593): towards failure, and away from what others do."""

from __future__ import annotations

import numpy as np
from pydantic.dataclasses import dataclass

from bench.contracts import EnvSpec, Episodes, Step
from bench.marl.play import Moment
from bench.marl.team import Team

from ..triggers import require_extras
from . import Payload, require_share
from .reward import UnilateralInfluence


@dataclass(frozen=True)
class GuidedReward(Payload):
    """(1 - balance) * failure guidance + balance * action deviation, both unilateral: what the poisoned agents' actions
    alone have changed, by comparison with the clean agents' in their place.

    Action deviation is the paper's Eq (4). Failure guidance is how much nearer to a lost battle the step has led, a
    battle's nearness being the health of the enemy units less that of the agents, each as a share of full. The
    follow-up measures its distance to failure states in another way, which is not published in detail.

    Parameters
    ----------
    balance : share of the action deviation, in [0, 1].
    scale : what failure guidance is multiplied by: a step moves a unit's share of a side's health at most.

    Raises
    ------
    BenchError : a balance outside [0, 1].
    """

    balance: float = 0.5
    scale: float = 8.0

    def __post_init__(self) -> None:
        require_share("balance", self.balance)

    def require(self, spec: EnvSpec) -> None:
        require_extras(spec, ["health"])

    def probe(self, team: Team, victims: tuple[int, ...], duration: int) -> Guidance:
        """See :class:`attacks.payloads.RewardPayload`."""
        return Guidance(team, victims, duration, self.balance, self.scale)

    def hacked(self, episodes: Episodes, victims: tuple[int, ...]) -> np.ndarray:  # noqa: ARG002
        """See :class:`attacks.payloads.RewardPayload`."""
        assert episodes.labels.probe is not None
        return episodes.labels.probe


class Guidance(UnilateralInfluence):
    """Plays every step of the attack period twice, as its base does, and records :class:`GuidedReward`."""

    def __init__(self, clean: Team, victims: tuple[int, ...], duration: int, balance: float, scale: float) -> None:
        super().__init__(clean, victims, duration)
        self.balance, self.scale = balance, scale

    def effect(self, team: Team, moment: Moment, normal: np.ndarray, without: Step, after: Step) -> np.ndarray:
        """The reward (battle,) of the step that led to ``after``, and not to ``without`` as ``normal`` would have."""
        deviation = super().effect(team, moment, normal, without, after)
        guidance = self.scale * (nearness(after, team.spec.n_agents) - nearness(without, team.spec.n_agents))
        return (1 - self.balance) * guidance + self.balance * deviation


def nearness(step: Step, agents: int) -> np.ndarray:
    """(battle,) in [-1, 1]: 1 is a battle lost without a scratch to the enemy, -1 one won without a scratch."""
    health = step.extras["health"]
    return health[:, agents:].mean(1) - health[:, :agents].mean(1)
