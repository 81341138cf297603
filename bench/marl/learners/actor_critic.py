"""Teams of actors: their critic, and what their learners (``ppo.py``, ``coma.py``) have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from bench import options
from bench.contracts import Battles, Episodes, Shape
from bench.marl.learners.common import Batch, load_moments, moments_of
from bench.marl.memory import below
from bench.marl.networks import AgentNetworks, RNNAgent
from bench.marl.team import UNAVAILABLE, RecurrentTeam

if TYPE_CHECKING:  # a detector's process asks the team alone, and is not to wait for the simulator's imports
    from bench.marl.train import OnPolicyTrainer

CRITIC_UNITS = 128  # PyMARL's
ADAM_EPSILON = 1e-5  # Yu et al. 2022; PyMARL's RMSprop has the same
SEES = {  # algorithm -> what its critic sees of an agent's place: the parts of its input, in order
    "mappo": ("state", "observation", "agent"),
    "ippo": ("observation", "agent"),
    "coma": ("state", "observation", "others", "before", "agent")}


class ValueNorm(nn.Module):
    """Running mean and deviation of returns, so that a critic learns numbers around 0 whatever the rewards are.

    Exponential averages of the returns and their squares with weight 1 - ``KEPT`` for each new batch, divided by the
    sum of all weights so far, without which they would begin at 0 (Yu et al. 2022, their code's ValueNorm).
    """

    KEPT: ClassVar[float] = 0.99999
    LEAST: ClassVar[float] = 1e-2  # of the variance
    mean: Tensor
    mean_square: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("mean", "mean_square", "weight"):
            self.register_buffer(name, torch.zeros(()))

    def update(self, returns: Tensor) -> None:
        """Take in a batch of returns, of any shape."""
        for average, new in ((self.mean, returns.mean()), (self.mean_square, returns.square().mean()),
                             (self.weight, torch.ones(()))):
            average.mul_(self.KEPT).add_(new * (1 - self.KEPT))

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the returns so far; 0 and 1 before the first."""
        if self.weight == 0:
            return torch.zeros(()), torch.ones(())
        mean = self.mean / self.weight
        return mean, (self.mean_square / self.weight - mean.square()).clamp(min=self.LEAST).sqrt()

    def normalised(self, returns: Tensor) -> Tensor:
        """Returns as the critic gives them."""
        mean, deviation = self.moments()
        return (returns - mean) / deviation

    def returns(self, normalised: Tensor) -> Tensor:
        """What the critic gives, as returns."""
        mean, deviation = self.moments()
        return normalised * deviation + mean


class Critic(nn.Module):
    """Linear - ReLU - Linear - ReLU - Linear, with the names of PyMARL's critic of COMA; all agents share it.

    What it sees, by algorithm: the state, the agent's own observation, the actions of the others (one-hot), everybody's
    last actions (one-hot), the agent's id (one-hot). It gives one value for MAPPO and IPPO, and one for each of the
    agent's actions for COMA. Those of MAPPO and IPPO are normalised: ``norm`` knows how.
    """

    def __init__(self, algo: str, spec: Shape, units: int = CRITIC_UNITS) -> None:
        super().__init__()
        acted = spec.n_agents * spec.n_actions
        sizes = {"state": spec.state_size, "observation": spec.observation_size, "agent": spec.n_agents,
                 "others": acted, "before": acted}
        self.parts = {name: sizes[name] for name in SEES[algo]}
        self.fc1 = nn.Linear(sum(self.parts.values()), units)
        self.fc2 = nn.Linear(units, units)
        self.fc3 = nn.Linear(units, spec.n_actions if algo == "coma" else 1)
        if algo != "coma":
            self.norm = ValueNorm()

    def forward(self, batch: Batch, alive: Tensor | None = None, agents: slice | list[int] = slice(None)) -> Tensor:
        """(step, episode, agent, output). Of agents that are not ``alive`` (step, episode, agent) nothing is seen but
        which they are: Yu et al.'s death masking. ``agents`` says which of the team's agents the observations are of.
        """
        columns = dict(zip(self.parts, self.fc1.weight.t().split(list(self.parts.values())), strict=True))
        x = batch.observation @ columns["observation"]
        if "state" in columns:
            x = x + (batch.state @ columns["state"]).unsqueeze(-2)
        if "others" in columns:
            own = _rows(columns["others"], batch.action)
            x = x + own.sum(-2, keepdim=True) - own
        if "before" in columns:
            x = x + _rows(columns["before"], batch.last_action).sum(-2, keepdim=True)
        if alive is not None:
            x = x * alive.unsqueeze(-1)
        x = F.relu(x + columns["agent"][agents] + self.fc1.bias)
        return self.fc3(F.relu(self.fc2(x)))


def _rows(weight: Tensor, action: Tensor) -> Tensor:
    """The product (step, episode, agent, unit) of weights (agent and action, unit) with each agent's own action
    (step, episode, agent), one-hot; nothing where that is -1."""
    n = action.shape[-1]
    table = F.pad(weight.unflatten(0, (n, -1)), (0, 0, 1, 0))  # (agent, 1 + action, unit); row 0: no action
    first = torch.arange(n) * table.shape[1]
    return F.embedding(action + 1 + first, table.flatten(0, 1))


@dataclass
class ActorTeam(RecurrentTeam):
    """A team whose preferences are the logarithms of its agents' probabilities, those of actions that are not available
    among them: of the available ones alone, they are the log-softmax of their preferences.

    Attributes
    ----------
    algo : "mappo", "ippo" or "coma".
    critic : the critic's parameters; needed to train on, not to act.
    """

    architecture: ClassVar[str] = "rnn_actor"
    algorithms: ClassVar[tuple[str, ...]] = tuple(SEES)

    critic: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def shapes(cls, algo: str, spec: Shape) -> dict[str, tuple[int, ...]]:
        """See :class:`bench.marl.team.Team`."""
        critic = Critic(algo, spec).state_dict()
        return super().shapes(algo, spec) | {f"critic.{name}": tuple(w.shape) for name, w in critic.items()}

    @classmethod
    def of(cls, algo: str, spec: Shape, tensors: Mapping[str, Tensor]) -> Self:
        """See :class:`bench.marl.team.Team`."""
        return cls(algo, spec, below(tensors, "agent"), below(tensors, "critic"))

    def tensors(self) -> dict[str, Tensor]:
        """See :class:`bench.marl.team.Team`."""
        return super().tensors() | {f"critic.{name}": w for name, w in self.critic.items()}

    def act(self, observation: np.ndarray, last_action: np.ndarray, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`bench.marl.team.Team`."""
        logits, memory = super().act(observation, last_action, memory)
        return logits.log_softmax(-1), memory

    def learn_on(self, battles: Battles, seed: int, **changes: Any) -> OnPolicyTrainer:
        """See :class:`bench.marl.team.Team`."""
        from bench.marl.learners.coma import Coma
        from bench.marl.learners.ppo import Clipped
        from bench.marl.train import OnPolicyTrainer

        settings: type[ActorSchedule] = Coma if self.algo == "coma" else Clipped
        how = settings.of(self.algo, **{"keep": "last"} | changes)
        return OnPolicyTrainer(battles, how, seed, how.learner(self.spec, seed, self))

    def make_critic(self) -> Critic:
        """A trainable copy of the critic."""
        critic = Critic(self.algo, self.spec)
        critic.load_state_dict(self.critic)
        return critic


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class ActorSchedule(ABC):
    """What the settings of MAPPO, IPPO and COMA have in common, as ``conf/algo`` has it."""

    heavy: ClassVar[tuple[str, ...]] = ("algo.episodes_per_round", "algo.eval_battles")  # what may fill the memory

    name: str
    steps: PositiveInt
    gamma: Annotated[float, Field(ge=0, le=1)]
    learning_rate: PositiveFloat  # falls to zero along a half cosine
    entropy: NonNegativeFloat  # weight of the actors' entropy
    episodes_per_round: PositiveInt
    eval_every: PositiveInt  # steps
    eval_battles: PositiveInt
    keep: Literal["best", "last"] = field(default="last", kw_only=True)  # which of the teams evaluated is delivered

    @classmethod
    def of(cls, algo: str, *, steps: int, **changes: Any) -> Self:
        """What the file of an algorithm in ``conf/algo`` says, but for the steps, which are a run's own, and for some
        changes."""
        values = options.values("algo", algo) | changes
        del values["_target_"]
        return cls(**values | {"steps": steps})

    def held(self, length: float, under_way: int) -> float:
        """Steps that are in memory at once where battles last ``length``, so many of them ``under_way``: as episodes,
        and once more as what is learned from."""
        return (under_way + 2 * (under_way + self.episodes_per_round) + self.eval_battles) * length

    @abstractmethod
    def learner(self, spec: Shape, seed: int, team: ActorTeam | None = None) -> ActorCritic:
        """A learner with new networks, or with those of a team whose agents learn each for itself."""

    def trainer(self, battles: Battles, seed: int) -> OnPolicyTrainer:
        """The training of a new team."""
        from bench.marl.train import OnPolicyTrainer

        return OnPolicyTrainer(battles, self, seed, self.learner(battles.spec, seed))


class ActorCritic(ABC):
    """Actors, a critic and one Adam for both. The actors share a network, or (``team``) have one each."""

    NETWORKS: ClassVar[tuple[str, ...]] = ("agent", "critic")

    def __init__(self, how: ActorSchedule, spec: Shape, seed: int, team: ActorTeam | None) -> None:
        self.how, self.spec = how, spec
        self.agent: RNNAgent | AgentNetworks
        if team is None:
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                self.agent, self.critic = RNNAgent(spec), Critic(how.name, spec)
                nn.init.orthogonal_(self.agent.fc2.weight, 0.01)  # Yu et al.'s gain: all actions alike at first
        else:
            self.agent, self.critic = AgentNetworks(map(team.agent, range(spec.n_agents))), team.make_critic()
        self.parameters = [*self.agent.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=how.learning_rate, eps=ADAM_EPSILON)
        self.updates = 0

    @abstractmethod
    def update(self, episodes: Episodes, learning_rate: float, rng: np.random.Generator) -> dict[str, float]:
        """Learn from episodes that were just played, recorded with state, preference and hidden; returns what is to be
        logged."""

    def team(self) -> ActorTeam:
        """The team as it is now."""
        critic = {name: w.detach().clone() for name, w in self.critic.state_dict().items()}
        if isinstance(self.agent, AgentNetworks):
            weights = self.agent.weights()
        else:
            weights = {name: w.detach().expand(self.spec.n_agents, *w.shape).clone()
                       for name, w in self.agent.state_dict().items()}
        return ActorTeam(self.how.name, self.spec, weights, critic)

    def state(self) -> dict[str, Tensor]:
        """The networks and the optimiser's moments, from which :meth:`load` goes on."""
        return {f"{part}.{name}": value for part in self.NETWORKS
                for name, value in getattr(self, part).state_dict().items()} | moments_of(self.optimizer)

    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Take up what :meth:`state` gave after so many updates."""
        for part in self.NETWORKS:
            getattr(self, part).load_state_dict(below(tensors, part))
        load_moments(self.optimizer, tensors)
        self.updates = updates


def log_shares(logits: Tensor, available: Tensor) -> Tensor:
    """The logarithms of the probabilities of the available actions (..., action), far below for the others; of equal
    shares where none is available, as in padding."""
    return logits.masked_fill(~available, UNAVAILABLE).log_softmax(-1)


def chosen(per_action: Tensor, action: Tensor) -> Tensor:
    """What (..., action) has at the action (...)."""
    return per_action.gather(-1, action.unsqueeze(-1)).squeeze(-1)


def entropy(shares: Tensor, available: Tensor) -> Tensor:
    """Of probabilities given by their logarithms, in nats: (..., action) -> (...)."""
    return -(shares.exp() * shares.masked_fill(~available, 0)).sum(-1)


def divergence(shares: Tensor, others: Tensor, available: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of probabilities from others, both given by their logarithms, in nats:
    (..., action) -> (...)."""
    return (shares.exp() * (shares - others).masked_fill(~available, 0)).sum(-1)


def mean(value: Tensor, weight: Tensor) -> Tensor:
    """The mean of values with weights of the same shape; 0 where all are 0."""
    return (value * weight).sum() / weight.sum().clamp(min=1)
