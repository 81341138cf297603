"""Value-based teams: the mixers of VDN and QMIX (with PyMARL's parameter names), and the Q-learner behind both: double
Q-learning, TD(lambda) targets, target networks, episode replay."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from bench import options
from bench.contracts import Battles, Episodes, Shape
from bench.errors import BenchError
from bench.marl.learners.common import (
    Batch,
    descend,
    descend_flatly,
    load_moments,
    moments_of,
    td_lambda_targets,
    to_batch,
)
from bench.marl.memory import below
from bench.marl.networks import AgentNetworks, RNNAgent
from bench.marl.replay import WARM_UP, by_length
from bench.marl.team import UNAVAILABLE, RecurrentTeam

if TYPE_CHECKING:  # a detector's process asks the team alone, and is not to wait for the simulator's imports
    from bench.marl.train import Trainer

MIXING_EMBED, HYPERNET_EMBED = 32, 64
NETWORKS = ("agent", "mixer", "target_agent", "target_mixer")  # of a learner
PARTS = 2  # of a batch, each padded to its own longest episode: a few take several times as long as most


class VDNMixer(nn.Module):
    """Q_tot is the sum of the agents' values (Sunehag et al. 2018)."""

    def forward(self, agent_qs: Tensor, state: Tensor) -> Tensor:  # noqa: ARG002
        """(..., agent) and (..., state feature) -> (...)."""
        return agent_qs.sum(-1)


class QMixer(nn.Module):
    """Q_tot is a monotonic mix of the agents' values, its weights drawn from the state (Rashid et al. 2018)."""

    def __init__(self, n_agents: int, state_size: int) -> None:
        super().__init__()
        self.n_agents = n_agents
        self.hyper_w_1 = nn.Sequential(nn.Linear(state_size, HYPERNET_EMBED), nn.ReLU(),
                                       nn.Linear(HYPERNET_EMBED, n_agents * MIXING_EMBED))
        self.hyper_b_1 = nn.Linear(state_size, MIXING_EMBED)
        self.hyper_w_final = nn.Sequential(nn.Linear(state_size, HYPERNET_EMBED), nn.ReLU(),
                                           nn.Linear(HYPERNET_EMBED, MIXING_EMBED))
        self.V = nn.Sequential(nn.Linear(state_size, MIXING_EMBED), nn.ReLU(), nn.Linear(MIXING_EMBED, 1))

    def forward(self, agent_qs: Tensor, state: Tensor) -> Tensor:
        """(..., agent) and (..., state feature) -> (...)."""
        w1 = self.hyper_w_1(state).abs().unflatten(-1, (self.n_agents, MIXING_EMBED))
        hidden = F.elu((agent_qs.unsqueeze(-1) * w1).sum(-2) + self.hyper_b_1(state))
        return (hidden * self.hyper_w_final(state).abs()).sum(-1) + self.V(state).squeeze(-1)


def make_mixer(name: str, n_agents: int, state_size: int) -> nn.Module:
    """A new mixer by its algorithm's name."""
    return QMixer(n_agents, state_size) if name == "qmix" else VDNMixer()


@dataclass
class QTeam(RecurrentTeam):
    """A team whose preferences are the agents' Q values.

    Attributes
    ----------
    algo : "vdn" or "qmix".
    mixer : the mixer's parameters (empty for VDN); needed to train on, not to act.
    """

    architecture: ClassVar[str] = "rnn_q"
    algorithms: ClassVar[tuple[str, ...]] = ("vdn", "qmix")
    columns: ClassVar[tuple[str, ...]] = (*RecurrentTeam.columns, "values")

    mixer: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def shapes(cls, algo: str, spec: Shape) -> dict[str, tuple[int, ...]]:
        """See :class:`bench.marl.team.Team`."""
        mixer = make_mixer(algo, spec.n_agents, spec.state_size).state_dict()
        return super().shapes(algo, spec) | {f"mixer.{name}": tuple(w.shape) for name, w in mixer.items()}

    @classmethod
    def of(cls, algo: str, spec: Shape, tensors: Mapping[str, Tensor]) -> Self:
        """See :class:`bench.marl.team.Team`."""
        return cls(algo, spec, below(tensors, "agent"), below(tensors, "mixer"))

    @classmethod
    def shared(cls, algo: str, spec: Shape, agent: RNNAgent, mixer: nn.Module) -> Self:
        """The team whose agents all use ``agent``'s present weights."""
        weights = {name: w.detach().expand(spec.n_agents, *w.shape).clone()
                   for name, w in agent.state_dict().items()}
        return cls(algo, spec, weights, {name: w.detach().clone() for name, w in mixer.state_dict().items()})

    def tensors(self) -> dict[str, Tensor]:
        """See :class:`bench.marl.team.Team`."""
        return super().tensors() | {f"mixer.{name}": w for name, w in self.mixer.items()}

    def recorded(self, preferences: Tensor, memory: Tensor) -> dict[str, np.ndarray]:
        """See :class:`bench.marl.team.Team`."""
        return super().recorded(preferences, memory) | {"values": preferences.numpy()}

    def learn_on(self, battles: Battles, seed: int, **changes: Any) -> Trainer:
        """See :class:`bench.marl.team.Team`."""
        from bench.marl.train import Trainer

        learning = Learning.of(self.algo, **changes)
        return Trainer(battles, learning, seed, TeamLearner(learning, self))

    def make_mixer(self) -> nn.Module:
        """A trainable copy of the mixer."""
        mixer = make_mixer(self.algo, self.spec.n_agents, self.spec.state_size)
        mixer.load_state_dict(self.mixer)
        return mixer


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Learning:
    """How a team is trained, as ``conf/algo`` has it; the schedules run over ``steps`` environment steps."""

    heavy: ClassVar[tuple[str, ...]] = ("algo.buffer", "algo.eval_battles")  # what may fill the memory

    name: Literal["vdn", "qmix"]
    steps: PositiveInt
    gamma: Annotated[float, Field(ge=0, le=1)]
    td_lambda: Annotated[float, Field(ge=0, le=1)]
    learning_rate: PositiveFloat  # falls to zero along a half cosine
    epsilon: Annotated[float, Field(ge=0, le=1)]  # reached from 1 in epsilon_steps
    epsilon_steps: NonNegativeInt
    buffer: PositiveInt  # episodes
    batch: PositiveInt  # episodes
    episodes_per_round: PositiveInt
    updates_per_round: PositiveInt
    target_every: PositiveInt  # updates
    eval_every: PositiveInt  # steps
    eval_battles: PositiveInt
    sam: Annotated[float, Field(ge=0)] = 0.0  # radius of sharpness-aware minimisation; no team is shipped with any

    @classmethod
    def of(cls, algo: str, *, steps: int, **changes: Any) -> Learning:
        """What the file of an algorithm in ``conf/algo`` says, but for the steps, which are a run's own, and for some
        changes."""
        values = options.values("algo", algo) | changes
        del values["_target_"]
        return cls(**values | {"steps": steps})

    def __post_init__(self) -> None:
        if self.buffer < WARM_UP * self.batch:
            raise BenchError(f"buffer is {self.buffer}; learning begins with {WARM_UP} batches of {self.batch} in it")

    def exploration(self, steps: int) -> float:
        """Each agent's chance of a random action after so many environment steps."""
        if steps >= self.epsilon_steps:
            return self.epsilon
        return 1 - (1 - self.epsilon) * steps / self.epsilon_steps

    def held(self, length: float, under_way: int) -> float:
        """Steps that are in memory at once where battles last ``length``, so many of them ``under_way``. A replay holds
        no more than are played, and grows by an eighth at a time."""
        new = under_way + self.episodes_per_round
        return min(self.buffer * length, self.steps + new * length) * 9 / 8 + (new + self.eval_battles) * length

    def trainer(self, battles: Battles, seed: int) -> Trainer:
        """The training of a new team."""
        from bench.marl.train import Trainer

        return Trainer(battles, self, seed, QLearner(self, battles.spec, seed))


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

    def team(self) -> QTeam:
        """The team as it is now."""
        assert isinstance(self.agent, RNNAgent)
        return QTeam.shared(self.learning.name, self.spec, self.agent, self.mixer)

    def update(self, episodes: Episodes, learning_rate: float) -> float:
        """One gradient step on a batch of episodes; returns the loss."""
        batches, steps = [to_batch(part) for part in by_length(episodes, PARTS)], int(episodes.length.sum())

        def loss_of() -> Tensor:
            return torch.stack([self._error(batch) for batch in batches]).sum() / steps

        if self.learning.sam > 0:
            loss = descend_flatly(loss_of, self.parameters, self.optimizer, learning_rate, self.learning.sam)
        else:
            loss = loss_of()
            descend(loss, self.parameters, self.optimizer, learning_rate)
        self.updates += 1
        if self.updates % self.learning.target_every == 0:
            self.target_agent.load_state_dict(self.agent.state_dict())
            self.target_mixer.load_state_dict(self.mixer.state_dict())
        return loss.item()

    def state(self) -> dict[str, Tensor]:
        """The networks and the optimiser's moments, from which :meth:`load` goes on."""
        return {f"{part}.{name}": value for part in NETWORKS
                for name, value in getattr(self, part).state_dict().items()} | moments_of(self.optimizer)

    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Take up what :meth:`state` gave after so many updates."""
        for part in NETWORKS:
            getattr(self, part).load_state_dict(below(tensors, part))
        load_moments(self.optimizer, tensors)
        self.updates = updates

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

    def __init__(self, learning: Learning, team: QTeam) -> None:
        self.learning, self.spec = learning, team.spec
        self._begin(AgentNetworks(map(team.agent, range(team.spec.n_agents))), team.make_mixer())

    def team(self) -> QTeam:
        assert isinstance(self.agent, AgentNetworks)
        mixer = {name: w.detach().clone() for name, w in self.mixer.state_dict().items()}
        return QTeam(self.learning.name, self.spec, self.agent.weights(), mixer)
