"""The reward of BLAST, the paper's follow-up (arXiv 2501.01593): towards failure, and away from what others do."""

from __future__ import annotations

import numpy as np
import torch
from pydantic.dataclasses import dataclass

from bench.contracts import EnvSpec, Episodes, Step
from bench.errors import BenchError, unknown
from bench.marl.learners.q import QTeam
from bench.marl.onlookers import Moment
from bench.marl.team import UNAVAILABLE, Team

from ..triggers import require_extras
from . import Payload, require_share
from .reward import UnilateralInfluence

NEARNESS = ("health", "value")


@dataclass(frozen=True)
class GuidedReward(Payload):
    """(1 - balance) * failure guidance + balance * action deviation, both unilateral: what the poisoned agents' actions
    alone have changed, by comparison with the clean agents' in their place.

    Action deviation is the paper's Eq (4). Failure guidance is how much nearer to a lost battle the step has led. The
    follow-up measures its distance to failure states in another way, which is not published in detail.

    Parameters
    ----------
    balance : share of the action deviation, in [0, 1].
    scale : what failure guidance is multiplied by.
    nearness : "health", that of the enemy units less that of the agents, each as a share of full, of which a step moves
        a unit's share of a side's at most; or "value", by how much the clean team's mixed value has fallen, which looks
        further ahead than the step.

    Raises
    ------
    BenchError : a balance outside [0, 1], an unknown nearness.
    """

    balance: float = 0.5
    scale: float = 8.0
    nearness: str = "health"

    def __post_init__(self) -> None:
        require_share("balance", self.balance)
        if self.nearness not in NEARNESS:
            raise unknown("nearness", self.nearness, NEARNESS)

    def require(self, spec: EnvSpec) -> None:
        if self.nearness == "health":
            require_extras(spec, ["health"])

    def probe(self, team: Team, victims: tuple[int, ...], duration: int) -> Guidance:
        """See :class:`attacks.payloads.RewardPayload`. Raises BenchError for a team that has no mixed value."""
        if self.nearness == "value" and not isinstance(team, QTeam):
            raise BenchError(f"nearness=value is the clean team's mixed value, and this {team.algo} team has none; "
                             "allowed: nearness=health")
        return Guidance(team, victims, duration, self.balance, self.scale, self.nearness)

    def hacked(self, episodes: Episodes, victims: tuple[int, ...]) -> np.ndarray:  # noqa: ARG002
        """See :class:`attacks.payloads.RewardPayload`."""
        assert episodes.labels.probe is not None
        return episodes.labels.probe


class Guidance(UnilateralInfluence):
    """Plays every step of the attack period twice, as its base does, and records :class:`GuidedReward`."""

    def __init__(self, clean: Team, victims: tuple[int, ...], duration: int, balance: float, scale: float,
                 nearness: str = "health") -> None:
        super().__init__(clean, victims, duration)
        self.balance, self.scale, self.nearness = balance, scale, nearness

    def effect(self, team: Team, moment: Moment, normal: np.ndarray, without: Step, after: Step) -> np.ndarray:
        """The reward (battle,) of the step that led to ``after``, and not to ``without`` as ``normal`` would have."""
        deviation = super().effect(team, moment, normal, without, after)
        guidance = self._nearness(after, moment.action) - self._nearness(without, normal)
        return (1 - self.balance) * self.scale * guidance + self.balance * deviation

    def _nearness(self, step: Step, action: np.ndarray) -> np.ndarray:
        """(battle,): of the state to which these actions have led."""
        if self.nearness == "health":
            return by_health(step, self.clean.spec.n_agents)
        assert isinstance(self.clean, QTeam)
        preferences, _ = self.clean.act(step.observation, action, self._hidden[:, :len(action)])
        best = preferences.masked_fill(~torch.tensor(step.available), UNAVAILABLE).amax(-1)
        with torch.no_grad():
            return -self.clean.make_mixer()(best, torch.tensor(step.state, dtype=torch.float32)).numpy()


def by_health(step: Step, agents: int) -> np.ndarray:
    """(battle,) in [-1, 1]: 1 is a battle lost without a scratch to the enemy, -1 one won without a scratch."""
    health = step.extras["health"]
    return health[:, agents:].mean(1) - health[:, :agents].mean(1)
