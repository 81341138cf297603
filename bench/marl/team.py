"""A team: what every kind of one promises, and the kind whose agents have a recurrent network each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import RECORDABLE, Battles, Policy, Shape
from bench.errors import BenchError
from bench.marl.alignment import consensus
from bench.marl.networks import HIDDEN, RNNAgent

if TYPE_CHECKING:
    from bench.marl.learners import Training

UNAVAILABLE = -1e9


@dataclass
class Team(ABC):
    """Agents that have preferences, and take the available action that they prefer most.

    A kind of team is a class, known by the name of its architecture to :mod:`bench.marl.learners`.

    Attributes
    ----------
    architecture : what checkpoints call this kind.
    algorithms : those that such teams come from.
    columns : which of :data:`bench.contracts.RECORDABLE` it can give.
    algo : the algorithm that the team was trained by.
    spec : what the networks depend on of the environment that the team was made for.
    weights : parameter name -> (agent, ...); every agent has its own copy even where training shared one, so that a
        team with one retrained agent has the same layout as a clean one.
    """

    architecture: ClassVar[str]
    algorithms: ClassVar[tuple[str, ...]]
    columns: ClassVar[tuple[str, ...]] = ("preference", "hidden")

    algo: str
    spec: Shape
    weights: dict[str, Tensor]
    def __post_init__(self) -> None:
        self.spec = self.spec.shape

    @classmethod
    @abstractmethod
    def shapes(cls, algo: str, spec: Shape) -> dict[str, tuple[int, ...]]:
        """The names and shapes of :meth:`tensors`; asked for on torch's device "meta", since sizes may be a stranger's.
        """

    @classmethod
    @abstractmethod
    def of(cls, algo: str, spec: Shape, tensors: Mapping[str, Tensor]) -> Self:
        """The team that has these :meth:`tensors`."""

    @abstractmethod
    def start(self, n: int) -> Tensor:
        """The memory (agent, env, unit) at the beginning of ``n`` episodes: zeros."""

    @abstractmethod
    def act(self, observation: np.ndarray, last_action: np.ndarray, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Preferences (env, agent, action) and the next memory, from the observation (env, agent, feature) and the last
        action (env, agent), -1 at the beginning of an episode. The greatest available preference is taken."""

    @abstractmethod
    def learn_on(self, battles: Battles, seed: int, **changes: Any) -> Training:
        """A training that begins with this team, in which every agent learns for itself. ``changes`` are to the
        settings that its algorithm has in ``conf/algo``; the steps are among them."""

    def tensors(self) -> dict[str, Tensor]:
        """All that a file of the team holds."""
        return {f"agent.{name}": w for name, w in self.weights.items()}

    def recorded(self, preferences: Tensor, memory: Tensor) -> dict[str, np.ndarray]:
        """The ``columns`` of a step, (env, agent, ...)."""
        return {"preference": preferences.numpy(), "hidden": memory.transpose(0, 1).numpy()}

    def with_weights(self, weights: Mapping[str, Tensor]) -> Self:
        """The same team with some of its weights replaced."""
        return replace(self, weights={**self.weights, **weights})

    def moved(self, spec: Shape) -> Self:
        """The same team in another environment than it was made for. Raises BenchError unless that has its sizes."""
        mine, theirs = (replace(shape, id="", version="") for shape in (self.spec, spec.shape))
        if mine != theirs:
            raise BenchError(f"a team made for '{self.spec.id}' cannot play in '{spec.id}', which has other sizes")
        return replace(self, spec=spec.shape)

    def policy(self, observation: np.ndarray, last_action: np.ndarray,
               hidden: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`act` as a :class:`bench.contracts.Policy`: all in numpy, the memory (n, agent, unit)."""
        before = self.start(len(observation)) if hidden is None else \
            torch.tensor(hidden, dtype=torch.float32).transpose(0, 1)
        preferences, after = self.act(observation.astype(np.float32), last_action.astype(int), before)
        return preferences.numpy(), after.transpose(0, 1).numpy()

    def consensus(self) -> Self:
        """The team in which every agent has the median of all agents' weights, and its own id: the clean network that
        they shared, if fewer than half of them were retrained."""
        weights = {name: w.quantile(0.5, 0, keepdim=True).expand_as(w).clone() for name, w in self.weights.items()}
        return self.with_weights(weights)

    def aligned_consensus(self) -> Self:
        """The same where units of different agents may be written in different orders: the median of weights that
        belong together, in each agent's own units. Of a kind of team whose units nobody knows to align it is
        :meth:`consensus`."""
        return self.consensus()

    def policies(self) -> dict[str, Policy]:
        """What a detector may ask, by the names of :data:`bench.contracts.POLICIES`."""
        return {"policy": self.policy, "consensus": self.consensus().policy,
                "aligned_consensus": self.aligned_consensus().policy}

    def require(self, spec: Shape, columns: Collection[str] = ()) -> None:
        """Raise BenchError unless the team was made for exactly this environment, and can give those of the columns
        that are a team's."""
        if lacking := sorted(set(RECORDABLE).intersection(columns).difference(self.columns)):
            raise BenchError(f"this {self.algo} team ({self.architecture}) has no {lacking[0]} to record; it has "
                             f"{', '.join(self.columns)}")
        for what in ("id", "version"):
            mine, theirs = getattr(self.spec, what), getattr(spec, what)
            if mine != theirs:
                raise BenchError(f"this team was trained in environment {what} '{mine}' and cannot play in '{theirs}'")
        if self.spec != spec.shape:
            raise BenchError(f"this team says that it is for '{spec.id}' but was made for other sizes than that has")


@dataclass
class RecurrentTeam(Team):
    """Agents with a :class:`bench.marl.networks.RNNAgent` each; its outputs are the preferences."""

    def __post_init__(self) -> None:
        super().__post_init__()
        # Laid out for batched products (agent, env, .) @ (agent, ., .); the agent's id is constant: in the bias.
        w = {name: w.transpose(1, 2).contiguous() if w.ndim == 3 else w[:, None] for name, w in self.weights.items()}
        agents = torch.arange(self.spec.n_agents)
        sizes = (self.spec.observation_size, self.spec.n_actions, self.spec.n_agents)
        observed, acted, identity = w["fc1.weight"].split(sizes, dim=1)
        self._w = w | {"observed": observed.contiguous(), "acted": F.pad(acted, (0, 0, 1, 0)),
                       "bias": w["fc1.bias"] + identity[agents, agents][:, None]}

    @classmethod
    def shapes(cls, algo: str, spec: Shape) -> dict[str, tuple[int, ...]]:  # noqa: ARG003
        """See :class:`Team`."""
        return {f"agent.{name}": (spec.n_agents, *w.shape) for name, w in RNNAgent(spec).state_dict().items()}

    def agent(self, index: int) -> RNNAgent:
        """A trainable copy of one agent's network."""
        network = RNNAgent(self.spec)
        network.load_state_dict({name: w[index] for name, w in self.weights.items()})
        return network

    def with_agent(self, index: int | Sequence[int], network: RNNAgent) -> Self:
        """The same team with this network in the place of one agent's, or of several's."""
        weights = {name: w.clone() for name, w in self.weights.items()}
        for name, w in network.state_dict().items():
            weights[name][index if isinstance(index, int) else list(index)] = w.detach()
        return self.with_weights(weights)

    def aligned_consensus(self) -> Self:
        """See :class:`Team`; by :func:`bench.marl.alignment.consensus`."""
        networks = [{name: w[agent].numpy() for name, w in self.weights.items()} for agent in range(self.spec.n_agents)]
        shared = consensus(networks, self.spec.observation_size + self.spec.n_actions)
        return self.with_weights({name: torch.from_numpy(np.stack([network[name] for network in shared])).float()
                                  for name in self.weights})

    def start(self, n: int) -> Tensor:
        """See :class:`Team`."""
        return torch.zeros(self.spec.n_agents, n, HIDDEN)

    @torch.no_grad()
    def act(self, observation: np.ndarray, last_action: np.ndarray, memory: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`Team`."""
        w = self._w
        seen = torch.tensor(observation).transpose(0, 1)
        acted = w["acted"][torch.arange(self.spec.n_agents)[:, None], torch.from_numpy(last_action.T) + 1]
        x = torch.baddbmm(w["bias"], seen, w["observed"]).add_(acted).relu_()
        new = torch.baddbmm(w["rnn.bias_ih"], x, w["rnn.weight_ih"])
        old = torch.baddbmm(w["rnn.bias_hh"], memory, w["rnn.weight_hh"])
        reset_in, update_in, candidate_in = new.chunk(3, -1)
        reset_old, update_old, candidate_old = old.chunk(3, -1)
        reset, update = torch.sigmoid(reset_in + reset_old), torch.sigmoid(update_in + update_old)
        candidate = torch.tanh(candidate_in + reset * candidate_old)
        memory = candidate + update * (memory - candidate)
        return torch.baddbmm(w["fc2.bias"], memory, w["fc2.weight"]).transpose(0, 1), memory


def greedy(preferences: Tensor, available: np.ndarray) -> np.ndarray:
    """The available action that each agent prefers most, (env, agent)."""
    return preferences.masked_fill(~torch.tensor(available), UNAVAILABLE).argmax(-1).numpy()
