"""MAPPO and IPPO (Yu et al. 2022, de Witt et al. 2020): the clipped objective with generalised advantages, a normalised
and clipped value, recurrent chunks and death masking. They differ in what the critic sees alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

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

HUBER = 10.0  # Yu et al.'s: where the value's loss turns from squared to absolute


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Clipped(ActorSchedule):
    """How a team is trained by MAPPO or IPPO; the schedule runs over ``steps`` environment steps."""

    name: Literal["mappo", "ippo"]
    gae_lambda: Annotated[float, Field(ge=0, le=1)]
    clip: PositiveFloat  # of the ratio of probabilities, and of the value's change
    value_loss: PositiveFloat  # its weight
    epochs: PositiveInt  # how often a round's steps are learned from
    minibatches: PositiveInt  # in an epoch
    chunk: PositiveInt  # steps through which the actors' memory is learned
    death_masking: bool = field(default=True, kw_only=True)  # of the dead the critic sees nothing but who they are

    def learner(self, spec: Shape, seed: int, team: ActorTeam | None = None) -> ClippedLearner:
        """See :class:`bench.marl.learners.actor_critic.ActorSchedule`."""
        return ClippedLearner(self, spec, seed, team)


@dataclass(frozen=True)
class Samples:
    """Chunks of episodes, time-major. Padding counts for nothing: ``batch.mask`` is 0 there."""

    batch: Batch  # (step, chunk, ...)
    alive: Tensor  # (step, chunk, agent) float: 1 where an agent that lives acts
    log_share: Tensor  # (step, chunk, agent) of the action, when it was chosen
    value: Tensor  # (step, chunk, agent) that the critic gave then, normalised
    advantage: Tensor  # (step, chunk, agent), normalised over what living agents did
    returns: Tensor  # (step, chunk, agent)
    hidden: Tensor  # (chunk, agent, unit) the actors' memory before the chunk

    def __len__(self) -> int:
        return len(self.hidden)

    def take(self, chunks: Tensor) -> Samples:
        """Some of the chunks."""
        rest = {f.name: getattr(self, f.name)[:, chunks] for f in fields(self) if f.name not in ("batch", "hidden")}
        return Samples(_each(self.batch, lambda value: value[:, chunks]), hidden=self.hidden[chunks], **rest)


class ClippedLearner(ActorCritic):
    """The learner of MAPPO and IPPO."""

    how: Clipped

    def update(self, episodes: Episodes, learning_rate: float, rng: np.random.Generator) -> dict[str, float]:
        """See :class:`bench.marl.learners.actor_critic.ActorCritic`."""
        samples = self.samples(episodes)
        found = []
        for _ in range(self.how.epochs):
            for chunks in np.array_split(rng.permutation(len(samples)), min(self.how.minibatches, len(samples))):
                loss, figures = self.loss(samples.take(torch.from_numpy(chunks)))
                descend(loss, self.parameters, self.optimizer, learning_rate)
                self.updates += 1
                found.append(figures)
        return {name: float(np.mean([figures[name] for figures in found])) for name in found[0]}

    @torch.no_grad()
    def samples(self, episodes: Episodes) -> Samples:
        """What is learned from episodes; the returns are taken into the value's normalisation."""
        batch, alive = to_batch(episodes), _time_major(episodes.alive)
        value = self.values(batch, alive)
        returns_now = self.critic.norm.returns(value)
        advantage = generalised_advantages(batch.reward, returns_now, batch.last, self.how.gamma, self.how.gae_lambda)
        returns = advantage + returns_now
        played = batch.mask.bool()
        self.critic.norm.update(returns[played])
        acting = alive * batch.mask.unsqueeze(-1)
        among = advantage[acting.bool()]
        advantage = (advantage - among.mean()) / (among.std() + 1e-5)
        assert episodes.preference is not None
        assert episodes.hidden is not None
        log_share = chosen(log_shares(_time_major(episodes.preference), batch.available), batch.action)
        length = self.how.chunk
        begun = chunks_of(batch.mask, length)[0] > 0
        hidden = F.pad(_time_major(episodes.hidden), (0, 0, 0, 0, 0, 0, 1, 0))  # zeros before the first step
        parts = {"alive": acting, "log_share": log_share, "value": value, "advantage": advantage, "returns": returns}
        return Samples(_each(batch, lambda part: chunks_of(part, length)[:, begun]),
                       hidden=chunks_of(hidden[:len(batch.mask)], length)[0, begun],
                       **{name: chunks_of(part, length)[:, begun] for name, part in parts.items()})

    def values(self, batch: Batch, alive: Tensor) -> Tensor:
        """What the critic gives (step, episode, agent), normalised; ``alive`` likewise, 1 for agents that live."""
        return self.critic(batch, alive if self.how.death_masking else None).squeeze(-1)

    def loss(self, samples: Samples) -> tuple[Tensor, dict[str, float]]:
        """The objective, negated, and figures to be logged."""
        how, batch = self.how, samples.batch
        shares = log_shares(self.agent.unroll(batch.observation, batch.last_action, hidden=samples.hidden),
                            batch.available)
        log_ratio = (chosen(shares, batch.action) - samples.log_share) * samples.alive
        policy = mean(clipped_loss(log_ratio, samples.advantage, how.clip), samples.alive)
        uncertainty = mean(entropy(shares, batch.available), samples.alive)
        value = self.values(batch, (samples.alive > 0).float())
        goal = self.critic.norm.normalised(samples.returns)
        everyone = batch.mask.unsqueeze(-1).expand_as(value)
        error = mean(clipped_value_loss(value, samples.value, goal, how.clip), everyone)
        loss = policy - how.entropy * uncertainty + how.value_loss * error
        with torch.no_grad():
            distance = mean(log_ratio.exp() - 1 - log_ratio, samples.alive)
            beyond = mean(((log_ratio.exp() - 1).abs() > how.clip).float(), samples.alive)
        return loss, {"loss": loss.item(), "policy_loss": policy.item(), "value_loss": error.item(),
                      "entropy": uncertainty.item(), "kl": distance.item(), "clipped": beyond.item()}


def generalised_advantages(reward: Tensor, value: Tensor, last: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """A_t = d_t + gamma lambda A_{t+1} with d_t = r_t + gamma V_{t+1} - V_t, and nothing after a step where ``last``
    is 1 (Schulman et al. 2016, eq. 16). ``reward`` and ``last`` are (step, episode), ``value`` has an agent axis."""
    advantages = torch.empty_like(value)
    ahead = following = torch.zeros_like(value[0])
    for t in range(len(value) - 1, -1, -1):
        goes_on = gamma * (1 - last[t]).unsqueeze(-1)
        ahead = reward[t].unsqueeze(-1) + goes_on * (following + gae_lambda * ahead) - value[t]
        advantages[t], following = ahead, value[t]
    return advantages


def clipped_loss(log_ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """The negated objective of each choice, min(r A, clip(r, 1 - c, 1 + c) A) (Schulman et al. 2017, eq. 7)."""
    ratio = log_ratio.exp()
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def clipped_value_loss(value: Tensor, before: Tensor, goal: Tensor, clip: float) -> Tensor:
    """The greater Huber loss of the value, and of the value as far as it moves by no more than ``clip``."""
    near = before + (value - before).clamp(-clip, clip)
    return torch.maximum(F.huber_loss(value, goal, reduction="none", delta=HUBER),
                         F.huber_loss(near, goal, reduction="none", delta=HUBER))


def chunks_of(value: Tensor, length: int) -> Tensor:
    """(step, episode, ...) -> (step in the chunk, chunk, ...): the first chunks of all episodes, then the second ones;
    zeros where the last ones are longer than the episodes."""
    steps = -(-len(value) // length) * length
    padded = torch.cat([value, value.new_zeros(steps - len(value), *value.shape[1:])])
    return padded.unflatten(0, (-1, length)).transpose(0, 1).flatten(1, 2)


def _each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with every tensor changed."""
    return Batch(**{f.name: change(getattr(batch, f.name)) for f in fields(batch)})


def _time_major(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).transpose(0, 1).float()
