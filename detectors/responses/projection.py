"""What a suspected agent prefers is brought back to what it usually prefers."""

from __future__ import annotations

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import PositiveInt

from bench.contracts import Episodes
from bench.marl.team import Team, greedy

from ..action_density import ActionDensity, limits
from ..asked import preferred
from ..recorded import living

STEPS = 20  # of mean shift, at most


@pydantic.dataclasses.dataclass(config={"extra": "forbid"})
class Projection:
    """Lets a suspected agent act by the nearest action probabilities that are usual for it.

    As long as the density of the agent's own probabilities is usual (:class:`detectors.action_density.ActionDensity`),
    it does what it would have done. Where it is lower than in all but ``1 - quantile`` of its steps without the
    trigger, the probabilities are moved by mean shift, along which the density grows, among steps in which the same
    kinds of actions were available, until it is not. The agent does what is most probable then, and which of the
    outsiders it acts on is its own choice. No clean team is needed, and a false alarm changes little.

    From the abstract and summaries of BehaviorGuard: abnormal action distributions are projected back to the low-drift
    region. Ours: that this is a mean shift, what is usual, and that it begins with a detector's alarm.

    Parameters
    ----------
    temperature, bandwidth, points, seed : see :class:`detectors.action_density.ActionDensity`.
    quantile : of the surprises without the trigger, in (0, 1), up to which probabilities are usual.

    References
    ----------
    After Yu et al., "BehaviorGuard: online backdoor defense for deep reinforcement learning", IJCAI 2026, arXiv
    2605.05977, whose full text was not available to us. Mean shift: Fukunaga & Hostetler, "The estimation of the
    gradient of a density function", IEEE Transactions on Information Theory 21, 1975.
    """

    battles: PositiveInt
    temperature: float
    bandwidth: float
    points: PositiveInt
    quantile: float
    seed: int
    name: str = "projection"
    halts = False

    def learn(self, team: Team, episodes: Episodes) -> None:
        """See :class:`bench.contracts.InformedResponder`. The density is of one half of the battles, what is usual of
        the other."""
        lives, preference = living(episodes), preferred(team.policy, episodes)
        half = slice(max(len(episodes) // 2, 1)), slice(len(episodes) // 2, None)
        self.density_ = ActionDensity(episodes.described, self.temperature, self.bandwidth, self.points, self.seed)
        self.density_.learn(preference[half[0]], episodes.available[half[0]], lives[half[0]])
        rest = lives[half[1]].any(-1)  # steps
        likely = self.density_.probabilities(preference[half[1]][rest], episodes.available[half[1]][rest])
        self.limit_ = limits(self.density_.surprise(likely), lives[half[1]][rest], self.quantile)

    def start(self, team: Team, clean: Team, n: int) -> None:  # noqa: ARG002
        """See :class:`bench.contracts.Responder`."""
        self.team_, self.memory_ = team, team.start(n)

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray, suspected: np.ndarray) -> np.ndarray:
        """See :class:`bench.contracts.Responder`."""
        self.memory_[:, fresh] = 0
        preferences, self.memory_ = self.team_.act(observation, last_action, self.memory_)
        done, some = action.copy(), suspected.any(1)
        if some.any():
            mended = self._mended(preferences.numpy()[some], available[some])
            done[some] = np.where(suspected[some] & (mended >= 0), mended, action[some])
        return done

    def _mended(self, preference: np.ndarray, available: np.ndarray) -> np.ndarray:
        """(battle, agent) the action that is most probable after the projection; -1 where nothing is projected."""
        likely, able = self.density_.probabilities(preference, available), self.density_.able(available)
        strange = far = self.density_.surprise(likely) > self.limit_
        for _ in range(STEPS):
            if not far.any():
                break
            likely = np.where(far[..., None], self.density_.nearer(likely, able), likely)
            far = self.density_.surprise(likely) > self.limit_
        kind = np.where(able, likely, -np.inf).argmax(-1)
        of_kind = available & (self.density_.kind_of_action == kind[..., None])
        return np.where(strange & of_kind.any(-1), greedy(torch.from_numpy(preference), of_kind), -1)
