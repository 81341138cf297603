"""The Q-learner behind VDN and QMIX: double Q-learning, TD(lambda) targets, target networks, episode replay."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from bench import interrupts
from bench.contracts import Episodes, Shape
from bench.errors import BenchError
from bench.marl.networks import AgentNetworks, RNNAgent, make_mixer
from bench.marl.replay import by_length
from bench.marl.team import UNAVAILABLE, Team

GRADIENT_NORM = 10.0  # PyMARL's clip
WARM_UP = 8  # batches in the replay before learning begins
PARTS = 2  # of a batch, each padded to its own longest episode: a few take several times as long as most


@pydantic.dataclasses.dataclass(frozen=True)
class Learning:
    """How a team is trained; the schedules run over ``steps`` environment steps."""

    name: Literal["vdn", "qmix"] = "vdn"
    steps: PositiveInt = 3_200_000
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.99
    td_lambda: Annotated[float, Field(ge=0, le=1)] = 0.6
    learning_rate: PositiveFloat = 1e-3  # falls to zero along a half cosine
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.02  # reached from 1 in epsilon_steps
    epsilon_steps: NonNegativeInt = 100_000
    buffer: PositiveInt = 5_000  # episodes
    batch: PositiveInt = 32  # episodes
    episodes_per_round: PositiveInt = 32
    updates_per_round: PositiveInt = 4
    target_every: PositiveInt = 100  # updates
    eval_every: PositiveInt = 50_000  # steps
    eval_battles: PositiveInt = 256

    def __post_init__(self) -> None:
        if self.buffer < WARM_UP * self.batch:
            raise BenchError(f"buffer is {self.buffer}; learning begins with {WARM_UP} batches of {self.batch} in it")

    def exploration(self, steps: int) -> float:
        """Each agent's chance of a random action after so many environment steps."""
        if steps >= self.epsilon_steps:
            return self.epsilon
        return 1 - (1 - self.epsilon) * steps / self.epsilon_steps


class QLearner:
    """One network shared by all agents and a mixer, trained on batches of episodes."""

    def __init__(self, learning: Learning, spec: Shape, seed: int) -> None:
        self.learning, self.spec = learning, spec
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._begin(RNNAgent(spec), make_mixer(learning.name, spec.n_agents, spec.state_size))

    def _begin(self, agent: RNNAgent | AgentNetworks, mixer: nn.Module) -> None:
        """Learn from these networks on."""
        self.agent, self.mixer = agent, mixer
        self.target_agent, self.target_mixer = copy.deepcopy(self.agent), copy.deepcopy(self.mixer)
        self.parameters = [*self.agent.parameters(), *self.mixer.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.learning.learning_rate)
        self.updates = 0

    def team(self) -> Team:
        """The team as it is now."""
        assert isinstance(self.agent, RNNAgent)
        return Team.shared(self.learning.name, self.spec, self.agent, self.mixer)

    def update(self, episodes: Episodes, learning_rate: float) -> float:
        """One gradient step on a batch of episodes; returns the loss."""
        error = torch.stack([self._error(to_batch(part)) for part in by_length(episodes, PARTS)]).sum()
        loss = error / int(episodes.length.sum())
        descend(loss, self.parameters, self.optimizer, learning_rate)
        self.updates += 1
        if self.updates % self.learning.target_every == 0:
            self.target_agent.load_state_dict(self.agent.state_dict())
            self.target_mixer.load_state_dict(self.mixer.state_dict())
        return loss.item()

    def _error(self, batch: Batch) -> Tensor:
        """The sum over a batch's steps of the squared temporal-difference error."""
        q = self.agent.unroll(batch.observation, batch.last_action)
        with torch.no_grad():
            best = q.masked_fill(~batch.available, UNAVAILABLE).argmax(-1, keepdim=True)
            values = self.target_agent.unroll(batch.observation, batch.last_action).gather(-1, best).squeeze(-1)
            target = td_lambda_targets(batch.reward, self.target_mixer(values, batch.state), batch.last,
                                       self.learning.gamma, self.learning.td_lambda)
        chosen = q.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)
        return ((self.mixer(chosen, batch.state) - target) * batch.mask).square().sum()


class TeamLearner(QLearner):
    """The same for a team that is there already, and whose agents each have a network of their own."""

    def __init__(self, learning: Learning, team: Team) -> None:
        self.learning, self.spec = learning, team.spec
        self._begin(AgentNetworks(map(team.agent, range(team.spec.n_agents))), team.make_mixer())

    def team(self) -> Team:
        assert isinstance(self.agent, AgentNetworks)
        mixer = {name: w.detach().clone() for name, w in self.mixer.state_dict().items()}
        return Team(self.learning.name, self.spec, self.agent.weights(), mixer)


@dataclass(frozen=True)
class Batch:
    """Episodes as time-major tensors. ``last`` marks the final step of each episode: nothing follows it."""

    observation: Tensor  # (step, episode, agent, feature)
    last_action: Tensor  # (step, episode, agent), -1 at the beginning
    available: Tensor  # (step, episode, agent, action) bool
    action: Tensor  # (step, episode, agent)
    reward: Tensor  # (step, episode)
    mask: Tensor  # (step, episode) float
    last: Tensor  # (step, episode) float
    state: Tensor  # (step, episode, feature)


def to_batch(episodes: Episodes) -> Batch:
    """Tensors for a learner; the episodes must have been recorded with their states."""
    action = _time_major(episodes.action).long()
    before = torch.cat([torch.full_like(action[:1], -1), action[:-1]])
    mask = _time_major(episodes.mask).float()
    following = torch.cat([mask[1:], torch.zeros_like(mask[:1])])
    state = episodes.labels.state
    assert state is not None, "recorded without record=('state',)"
    observation = torch.from_numpy(episodes.observation).transpose(0, 1).float()
    return Batch(observation, before, _time_major(episodes.available),
                 action, _time_major(episodes.reward), mask, mask * (1 - following), _time_major(state).float())


def _time_major(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).transpose(0, 1).contiguous()


def td_lambda_targets(reward: Tensor, value: Tensor, last: Tensor, gamma: float, td_lambda: float) -> Tensor:
    """TD(lambda) targets, all arguments (step, episode): G_t = r_t + gamma ((1 - lambda) V_{t+1} + lambda G_{t+1}),
    with nothing after a step where ``last`` is 1 (Sutton & Barto, 2nd ed., eq. 12.2 in its recursive form)."""
    targets = torch.empty_like(reward)
    ahead = torch.zeros_like(reward[0])
    following = torch.zeros_like(ahead)
    for t in range(len(reward) - 1, -1, -1):
        ahead = reward[t] + gamma * (1 - last[t]) * ((1 - td_lambda) * following + td_lambda * ahead)
        targets[t], following = ahead, value[t]
    return targets


def descend(loss: Tensor, parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """One optimiser step with PyMARL's gradient clip. Raises BenchError on a loss that is not finite."""
    interrupts.poll()
    if not torch.isfinite(loss):
        raise BenchError("learning has diverged: the loss is not finite; a lower learning_rate may help")
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, GRADIENT_NORM)
    optimizer.step()


def adam_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's moments by name, for a file."""
    return {f"adam.{i}.{name}": torch.as_tensor(value)
            for i, moments in optimizer.state_dict()["state"].items() for name, value in moments.items()}


def load_adam(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Take the moments back from :func:`adam_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("adam."):
            _, i, what = name.split(".")
            state.setdefault(int(i), {})[what] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
