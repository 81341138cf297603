"""COMA (Foerster et al. 2018): a central critic of every action an agent can take, and a counterfactual baseline."""

from __future__ import annotations

import copy
from typing import ClassVar, Literal

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import PositiveInt
from torch import Tensor

from bench.contracts import Episodes, Shape
from bench.marl.learners.actor_critic import (
    ActorCritic,
    ActorSchedule,
    ActorTeam,
    chosen,
    entropy,
    log_shares,
    mean,
)
from bench.marl.learners.common import Batch, descend, to_batch


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Coma(ActorSchedule):
    """How a team is trained by COMA; the schedule runs over ``steps`` environment steps."""

    name: Literal["coma"]
    n_step: PositiveInt  # rewards in the critic's target before it asks the target network
    critic_updates: PositiveInt  # in a round, before the actors' one
    target_every: PositiveInt  # updates of the critic

    def learner(self, spec: Shape, seed: int, team: ActorTeam | None = None) -> ComaLearner:
        """See :class:`bench.marl.learners.actor_critic.ActorSchedule`."""
        return ComaLearner(self, spec, seed, team)


class ComaLearner(ActorCritic):
    """The learner of COMA. ``updates`` counts those of the critic."""

    NETWORKS: ClassVar[tuple[str, ...]] = ("agent", "critic", "target_critic")
    how: Coma

    def __init__(self, how: Coma, spec: Shape, seed: int, team: ActorTeam | None) -> None:
        super().__init__(how, spec, seed, team)
        self.target_critic = copy.deepcopy(self.critic)

    def update(self, episodes: Episodes, learning_rate: float,
               rng: np.random.Generator) -> dict[str, float]:  # noqa: ARG002
        """See :class:`bench.marl.learners.actor_critic.ActorCritic`."""
        batch = to_batch(episodes)
        everyone = batch.mask.unsqueeze(-1).expand(batch.action.shape)
        for _ in range(self.how.critic_updates):
            error = mean((chosen(self.critic(batch), batch.action) - self.targets(batch)).square(), everyone)
            descend(error, list(self.critic.parameters()), self.optimizer, learning_rate)
            self.updates += 1
            if self.updates % self.how.target_every == 0:
                self.target_critic.load_state_dict(self.critic.state_dict())
        loss, figures = self.loss(batch)
        descend(loss, list(self.agent.parameters()), self.optimizer, learning_rate)
        return {"loss": loss.item(), "value_loss": error.item()} | figures

    @torch.no_grad()
    def targets(self, batch: Batch) -> Tensor:
        """What the critic is to say of the actions taken, (step, episode, agent)."""
        value = chosen(self.target_critic(batch), batch.action)
        return n_step_returns(batch.reward, value, batch.last, self.how.gamma, self.how.n_step)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The actors' objective, negated, and figures to be logged."""
        shares = log_shares(self.agent.unroll(batch.observation, batch.last_action), batch.available)
        with torch.no_grad():
            advantage = counterfactual_advantages(self.critic(batch), shares.exp(), batch.action)
        # Who can do one thing alone, as the dead, learns nothing: the means are of those who choose.
        choosing = (batch.available.sum(-1) > 1) * batch.mask.unsqueeze(-1)
        policy = -mean(chosen(shares, batch.action) * advantage, choosing)
        uncertainty = mean(entropy(shares, batch.available), choosing)
        return policy - self.how.entropy * uncertainty, {
            "policy_loss": policy.item(), "entropy": uncertainty.item(),
            "advantage": mean(advantage.abs(), choosing).item()}


def counterfactual_advantages(value: Tensor, shares: Tensor, action: Tensor) -> Tensor:
    """How much better an agent's action is than what it does on average while the others do as they did:
    Q(s, u) - sum over a of pi(a) Q(s, (u_-agent, a)) (Foerster et al. 2018, eq. 4).

    ``value`` and the probabilities ``shares`` are (..., action), 0 for actions that are not available; the result is of
    the shape of ``action``.
    """
    return chosen(value, action) - (shares * value).sum(-1)


def n_step_returns(reward: Tensor, value: Tensor, last: Tensor, gamma: float, n: int) -> Tensor:
    """r_t + gamma r_{t+1} + ... + gamma^n V_{t+n}, without what comes after a step where ``last`` is 1. ``reward`` and
    ``last`` are (step, episode), ``value`` has an agent axis, as the result."""
    goes_on = gamma * (1 - last).unsqueeze(-1)
    returns = value
    for _ in range(n):
        following = torch.cat([returns[1:], torch.zeros_like(returns[:1])])
        returns = reward.unsqueeze(-1) + goes_on * following
    return returns
