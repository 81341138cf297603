"""A team: one recurrent Q network per agent, and the mixer they were trained with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import Policy, Shape
from bench.errors import BenchError
from bench.marl.networks import HIDDEN, RNNAgent, make_mixer

UNAVAILABLE = -1e9


@dataclass
class Team:
    """Agents that act by the greatest Q value.

    Attributes
    ----------
    algo : "vdn" or "qmix".
    spec : what the networks depend on of the environment that the team was made for.
    weights : parameter name -> (agent, ...); every agent has its own copy even where training shared one, so that a
        team with one retrained agent has the same layout as a clean one.
    mixer : the mixer's parameters (empty for VDN); needed to train on, not to act.
    """

    algo: str
    spec: Shape
    weights: dict[str, Tensor]
    mixer: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.spec = self.spec.shape
        # Laid out for batched products (agent, battle, .) @ (agent, ., .); the agent's id is constant: in the bias.
        w = {name: w.transpose(1, 2).contiguous() if w.ndim == 3 else w[:, None] for name, w in self.weights.items()}
        agents = torch.arange(self.spec.n_agents)
        sizes = (self.spec.observation_size, self.spec.n_actions, self.spec.n_agents)
        observed, acted, identity = w["fc1.weight"].split(sizes, dim=1)
        self._w = w | {"observed": observed.contiguous(), "acted": F.pad(acted, (0, 0, 1, 0)),
                       "bias": w["fc1.bias"] + identity[agents, agents][:, None]}

    @classmethod
    def shared(cls, algo: str, spec: Shape, agent: RNNAgent, mixer: torch.nn.Module) -> Team:
        """The team whose agents all use ``agent``'s present weights."""
        weights = {name: w.detach().expand(spec.n_agents, *w.shape).clone()
                   for name, w in agent.state_dict().items()}
        return cls(algo, spec, weights, {name: w.detach().clone() for name, w in mixer.state_dict().items()})

    def agent(self, index: int) -> RNNAgent:
        """A trainable copy of one agent's network."""
        network = RNNAgent(self.spec)
        network.load_state_dict({name: w[index] for name, w in self.weights.items()})
        return network

    def with_agent(self, index: int | Sequence[int], network: RNNAgent) -> Team:
        """The same team with this network in the place of one agent's, or of several's."""
        weights = {name: w.clone() for name, w in self.weights.items()}
        for name, w in network.state_dict().items():
            weights[name][index if isinstance(index, int) else list(index)] = w.detach()
        return Team(self.algo, self.spec, weights, self.mixer)

    def make_mixer(self) -> torch.nn.Module:
        """A trainable copy of the mixer."""
        mixer = make_mixer(self.algo, self.spec.n_agents, self.spec.state_size)
        mixer.load_state_dict(self.mixer)
        return mixer

    def start(self, n: int) -> Tensor:
        """The hidden state (agent, battle, unit) at the beginning of ``n`` battles."""
        return torch.zeros(self.spec.n_agents, n, HIDDEN)

    @torch.no_grad()
    def step(self, observation: np.ndarray, last_action: np.ndarray, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Q values (battle, agent, action) and the next hidden state, from the observation (battle, agent, feature)
        and the last action (battle, agent), -1 at the beginning of a battle."""
        w = self._w
        seen = torch.tensor(observation).transpose(0, 1)
        acted = w["acted"][torch.arange(self.spec.n_agents)[:, None], torch.from_numpy(last_action.T) + 1]
        x = torch.baddbmm(w["bias"], seen, w["observed"]).add_(acted).relu_()
        new = torch.baddbmm(w["rnn.bias_ih"], x, w["rnn.weight_ih"])
        old = torch.baddbmm(w["rnn.bias_hh"], hidden, w["rnn.weight_hh"])
        reset_in, update_in, candidate_in = new.chunk(3, -1)
        reset_old, update_old, candidate_old = old.chunk(3, -1)
        reset, update = torch.sigmoid(reset_in + reset_old), torch.sigmoid(update_in + update_old)
        candidate = torch.tanh(candidate_in + reset * candidate_old)
        hidden = candidate + update * (hidden - candidate)
        q = torch.baddbmm(w["fc2.bias"], hidden, w["fc2.weight"])
        return q.transpose(0, 1), hidden

    def policy(self, observation: np.ndarray, last_action: np.ndarray,
               hidden: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """:meth:`step` as a :class:`bench.contracts.Policy`: all in numpy, hidden states (battle, agent, unit)."""
        before = self.start(len(observation)) if hidden is None else \
            torch.tensor(hidden, dtype=torch.float32).transpose(0, 1)
        q, after = self.step(observation.astype(np.float32), last_action.astype(int), before)
        return q.numpy(), after.transpose(0, 1).numpy()

    def consensus(self) -> Team:
        """The team in which every agent has the median of all agents' weights, and its own id: the clean network that
        they shared, if fewer than half of them were retrained."""
        weights = {name: w.quantile(0.5, 0, keepdim=True).expand_as(w).clone() for name, w in self.weights.items()}
        return Team(self.algo, self.spec, weights, self.mixer)

    def policies(self) -> dict[str, Policy]:
        """What a detector may ask, by the names of :data:`bench.contracts.POLICIES`."""
        return {"policy": self.policy, "consensus": self.consensus().policy}

    def require(self, spec: Shape) -> None:
        """Raise BenchError unless the team was made for exactly this environment."""
        for what in ("id", "version"):
            mine, theirs = getattr(self.spec, what), getattr(spec, what)
            if mine != theirs:
                raise BenchError(f"this team was trained in environment {what} '{mine}' and cannot play in '{theirs}'")
        if self.spec != spec.shape:
            raise BenchError(f"this team says that it is for '{spec.id}' but was made for other sizes than that has")


def greedy(q: Tensor, available: np.ndarray) -> np.ndarray:
    """The available action of greatest value, (battle, agent)."""
    return q.masked_fill(~torch.tensor(available), UNAVAILABLE).argmax(-1).numpy()
