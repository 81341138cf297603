"""PyMARL's recurrent agent network, with its parameter names, so that weights can be exchanged with it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts import Shape

HIDDEN = 64


class RNNAgent(nn.Module):
    """Linear - ReLU - GRU cell - Linear; the input is observation + last action (one-hot) + agent id (one-hot)."""

    def __init__(self, spec: Shape, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.parts = (spec.observation_size, spec.n_actions, spec.n_agents)
        self.fc1 = nn.Linear(sum(self.parts), hidden)
        self.rnn = nn.GRUCell(hidden, hidden)
        self.fc2 = nn.Linear(hidden, spec.n_actions)

    def unroll(self, observation: Tensor, last_action: Tensor, agents: slice | list[int] = slice(None),
               hidden: Tensor | None = None) -> Tensor:
        """Outputs (step, episode, agent, action) for episodes, or for parts of them.

        ``observation`` (step, episode, agent, feature), ``last_action`` (step, episode, agent), -1 at the beginning.
        ``agents`` says which of the team's agents the agent axis holds; ``hidden`` (episode, agent, unit) is the state
        before the first step, zeros unless given.
        """
        observed, acted, identity = self.fc1.weight.t().split(self.parts)
        # Picking a row of the weights is the product with a one-hot vector, without making the vector.
        acted = F.pad(acted, (0, 0, 1, 0))  # row 0: no last action
        x = F.relu(F.linear(observation, observed.t(), self.fc1.bias)
                   + F.embedding(last_action + 1, acted) + identity[agents])
        sequences = x.flatten(1, 2)
        start = x.new_zeros(1, sequences.shape[1], self.rnn.hidden_size) if hidden is None else \
            hidden.flatten(0, 1).unsqueeze(0)
        weights = [self.rnn.weight_ih, self.rnn.weight_hh, self.rnn.bias_ih, self.rnn.bias_hh]
        out, _ = torch._VF.gru(sequences, start, weights, True, 1, 0.0, False, False, False)  # all steps in one call
        return self.fc2(out).view(*x.shape[:3], -1)


class AgentNetworks(nn.Module):
    """Networks that agents have of their own, in the place of one that they share."""

    def __init__(self, agents: Iterable[RNNAgent]) -> None:
        super().__init__()
        self.agents = nn.ModuleList(agents)

    def unroll(self, observation: Tensor, last_action: Tensor, *, hidden: Tensor | None = None) -> Tensor:
        """See :meth:`RNNAgent.unroll`; each agent's outputs come from its own network."""
        return torch.cat([agent.unroll(observation[:, :, [i]], last_action[:, :, [i]], [i],  # type: ignore[operator]
                                       None if hidden is None else hidden[:, [i]])
                          for i, agent in enumerate(self.agents)], 2)

    def weights(self) -> dict[str, Tensor]:
        """Parameter name -> (agent, ...)."""
        own = [agent.state_dict() for agent in self.agents]
        return {name: torch.stack([weights[name] for weights in own]) for name in own[0]}
