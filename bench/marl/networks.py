"""PyMARL's recurrent agent network and mixers, with its parameter names, so that weights can be exchanged with it."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts import EnvSpec

HIDDEN = 64
MIXING_EMBED, HYPERNET_EMBED = 32, 64


class RNNAgent(nn.Module):
    """Linear - ReLU - GRU cell - Linear; the input is observation + last action (one-hot) + agent id (one-hot)."""

    def __init__(self, spec: EnvSpec, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.parts = (spec.observation_size, spec.n_actions, spec.n_agents)
        self.fc1 = nn.Linear(sum(self.parts), hidden)
        self.rnn = nn.GRUCell(hidden, hidden)
        self.fc2 = nn.Linear(hidden, spec.n_actions)

    def unroll(self, observation: Tensor, last_action: Tensor, agents: slice | list[int] = slice(None),
               lengths: Tensor | None = None) -> Tensor:
        """Q values (step, episode, agent, action) of whole episodes, from a zero hidden state.

        ``observation`` (step, episode, agent, feature), ``last_action`` (step, episode, agent), -1 at the beginning.
        ``agents`` says which of the team's agents the agent axis holds. With ``lengths`` (episode,), longest first,
        the steps behind the end of an episode are not computed; their values are zero.
        """
        if lengths is None:
            lengths = torch.full(observation.shape[1:2], len(observation))
        played = torch.arange(len(observation))[:, None] < lengths  # (step, episode)
        observed, acted, identity = self.fc1.weight.t().split(self.parts)
        # Picking a row of the weights is the product with a one-hot vector, without making the vector.
        acted = F.pad(acted, (0, 0, 1, 0))  # row 0: no last action
        rows = played.flatten().nonzero().squeeze(1)
        x = F.linear(observation.flatten(0, 1).index_select(0, rows), observed.t(), self.fc1.bias)
        x = F.relu(x + F.embedding(last_action.flatten(0, 1).index_select(0, rows) + 1, acted) + identity[agents])
        sizes = (played.sum(1) * observation.shape[2]).tolist()  # sequences that go on, a step: the first of all
        rnn = self.rnn
        out = _GRU.apply(F.linear(x.flatten(0, 1), rnn.weight_ih, rnn.bias_ih), rnn.weight_hh, rnn.bias_hh, sizes)
        q = self.fc2(out).view(*x.shape[:2], -1)
        return q.new_zeros(played.numel(), *q.shape[1:]).index_copy(0, rows, q).unflatten(0, played.shape)


class _GRU(torch.autograd.Function):
    """GRUCell over sequences that are packed step by step, from a zero hidden state, with its gradient written out.

    With torch's own for packed sequences an update takes twice as long on one core: its gradient fills an array of all
    steps anew at every step.
    """

    @staticmethod
    def forward(ctx, new: Tensor, weight: Tensor, bias: Tensor, sizes: list[int]) -> Tensor:
        """The hidden states, from the inputs' share of the gates ``new`` (step * sequence, 3 * unit).

        ``sizes`` says how many sequences each step has: the first so many of those of the step before.
        """
        units = weight.shape[1]
        gates = torch.empty_like(new)  # of every step: reset, update, candidate
        old_candidate = new.new_empty(len(new), units)  # the hidden state's share of the candidate
        after = new.new_empty(len(new), units)
        transposed, hidden, at = weight.t(), new.new_zeros(sizes[0], units), 0
        for n in sizes:
            rows = slice(at, at + n)
            hidden = hidden[:n]
            old = torch.addmm(bias, hidden, transposed)
            both = torch.add(old[:, : 2 * units], new[rows, : 2 * units], out=gates[rows, : 2 * units]).sigmoid_()
            old_candidate[rows] = old[:, 2 * units:]
            candidate = torch.addcmul(new[rows, 2 * units:], both[:, :units], old[:, 2 * units:],
                                      out=gates[rows, 2 * units:]).tanh_()
            hidden = torch.lerp(candidate, hidden, both[:, units:], out=after[rows])
            at += n
        ctx.save_for_backward(weight, gates, old_candidate, after)
        ctx.sizes = sizes
        return after

    @staticmethod
    def backward(ctx, above: Tensor):
        """Back through time; (the gradient of each argument of :meth:`forward`)."""
        weight, gates, old_candidate, after = ctx.saved_tensors
        units, sizes = weight.shape[1], ctx.sizes
        ends = itertools.accumulate(sizes)  # of each step's rows; the step after begins with the states there
        before = torch.cat([after.new_zeros(sizes[0], units),
                            *(after[end - n: end - n + following]
                              for end, n, following in zip(ends, sizes, sizes[1:], strict=False))])
        reset, update, candidate = gates.split(units, 1)
        # What does not depend on the gradient is made for all steps at once.
        to_candidate = (1 - update) * (1 - candidate.square())
        to_update = (before - candidate) * update * (1 - update)
        to_reset = old_candidate * reset * (1 - reset)
        old = torch.empty_like(gates)  # gradient of the hidden state's share of the gates
        of_candidate = torch.empty_like(candidate)  # and of the inputs' share of the candidate
        ahead, at = above.new_zeros(0, units), len(above)
        for n in reversed(sizes):
            rows = slice(at - n, at)
            grad = above[rows].clone()
            grad[: len(ahead)] += ahead
            torch.mul(grad, to_candidate[rows], out=of_candidate[rows])
            torch.mul(of_candidate[rows], to_reset[rows], out=old[rows, :units])
            torch.mul(grad, to_update[rows], out=old[rows, units: 2 * units])
            torch.mul(of_candidate[rows], reset[rows], out=old[rows, 2 * units:])
            ahead = torch.addmm(grad.mul_(update[rows]), old[rows], weight)
            at -= n
        new = torch.cat([old[:, : 2 * units], of_candidate], 1)
        return new, old.t() @ before, old.sum(0), None


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


MIXERS = ("vdn", "qmix")


def make_mixer(name: str, n_agents: int, state_size: int) -> nn.Module:
    """A new mixer by its algorithm's name."""
    return QMixer(n_agents, state_size) if name == "qmix" else VDNMixer()
