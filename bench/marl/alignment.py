"""The units of agents' networks in one order: what can be written down in many ways is written in one.

A recurrent network does the same if its units are put into another order, if those of its first layer are rescaled, and
if those of its memory are turned to the other sign. Whoever compares agents' weights, or takes a median of them, has to
undo that first. Agents that do the same come out with the same weights, whatever was done to each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

Network = Mapping[str, np.ndarray]  # the weights of one agent, named as in :class:`bench.marl.networks.RNNAgent`
GATES = 3  # of a GRU: reset, update, candidate
TINY = 1e-12
ROUNDING = 1e-5  # in units of the greatest weight of the name


@dataclass(frozen=True)
class Units:
    """How the units of a network are written: another network's in this order, size and sign.

    Unit k of the first layer is the other's unit ``first[k]``, ``scale[k]`` times as large; unit k of the memory is the
    other's ``memory[k]``, of the sign ``sign[k]``.
    """

    first: np.ndarray
    scale: np.ndarray
    memory: np.ndarray
    sign: np.ndarray

    def of(self, network: Network) -> dict[str, np.ndarray]:
        """A network that does what this one does, in these units.

        ReLU(a y) = a ReLU(y) for a > 0, and what reads it is divided by a. A gate belongs to a unit and keeps its sign,
        but for the weights that read the memory; the candidate is to be s times the old one, and tanh is odd.
        """
        n = len(self.memory)
        rows = np.concatenate([gate * n + self.memory for gate in range(GATES)])
        signs = np.concatenate([np.ones((GATES - 1) * n), self.sign])
        return {"fc1.weight": network["fc1.weight"][self.first] * self.scale[:, None],
                "fc1.bias": network["fc1.bias"][self.first] * self.scale,
                "rnn.weight_ih": network["rnn.weight_ih"][rows][:, self.first] * signs[:, None] / self.scale,
                "rnn.weight_hh": network["rnn.weight_hh"][rows][:, self.memory] * signs[:, None] * self.sign,
                "rnn.bias_ih": network["rnn.bias_ih"][rows] * signs,
                "rnn.bias_hh": network["rnn.bias_hh"][rows] * signs,
                "fc2.weight": network["fc2.weight"][:, self.memory] * self.sign,
                "fc2.bias": network["fc2.bias"]}

    @property
    def undone(self) -> Units:
        """What leads back."""
        first, memory = np.argsort(self.first), np.argsort(self.memory)
        return Units(first, 1 / self.scale[first], memory, self.sign[memory])


def aligned(networks: Sequence[Network], read: int) -> list[Units]:
    """Of each network, the units in which it is most like the first one, with first layers' units of size 1.

    Units of the first layer are matched by the cosine of what they read, of their inputs the first ``read`` alone: what
    is behind those, an agent's id, is a constant that each agent can write as it likes. Units of the memory are matched
    by what their gates make of the first layer and what the output makes of them, the sign being the one that fits the
    candidate and the output better. Both are assignments of greatest total likeness. Neither depends on the order of
    the units or on their signs, so that networks that do the same are brought to the same units, even by a reference
    that does something else.

    Ours, after the weight matching of Ainsworth, Hayase & Srinivasa, "Git Re-Basin: merging models modulo permutation
    symmetries", ICLR 2023, there of networks without memory and without signs, one layer after the other in turns.
    """
    reference = _sized(networks[0], read)
    return [_matched(network, reference, read) for network in networks]


def consensus(networks: Sequence[Network], read: int) -> list[dict[str, np.ndarray]]:
    """The median of the networks in common units, written in each one's own: what each would be if it were what most
    of them are.

    Constants that can stand in several places are left where each network has them: of the biases of the reset and the
    update gate the sum is shared, and a network keeps what its first layer makes of no input and of its id (behind the
    first ``read``), which nobody else knows. What differs by rounding is left as well, so that the networks of which
    the median is one are found again to the last bit.
    """
    units = aligned(networks, read)
    common = [_gathered(one.of(network)) for one, network in zip(units, networks, strict=True)]
    median = {name: np.median([network[name] for network in common], 0) for name in common[0]}
    return [_in_place(one.undone.of(median), network, read) for one, network in zip(units, networks, strict=True)]


def _gathered(network: Network) -> dict[str, np.ndarray]:
    """The network with what is constant in its reset and update gates in the bias of what they read anew."""
    gates = np.arange(len(network["rnn.bias_hh"])) < len(network["rnn.bias_hh"]) // GATES * (GATES - 1)
    moved = np.where(gates, network["rnn.bias_hh"], 0)
    return {**network, "rnn.bias_ih": network["rnn.bias_ih"] + moved, "rnn.bias_hh": network["rnn.bias_hh"] - moved}


def _in_place(shared: Network, own: Network, read: int) -> dict[str, np.ndarray]:
    """A :func:`_gathered` network with constants where another in the same units has them."""
    moved = own["rnn.bias_hh"] - _gathered(own)["rnn.bias_hh"]
    found = {**shared, "rnn.bias_ih": shared["rnn.bias_ih"] - moved, "rnn.bias_hh": shared["rnn.bias_hh"] + moved,
             "fc1.weight": np.concatenate([shared["fc1.weight"][:, :read], own["fc1.weight"][:, read:]], 1),
             "fc1.bias": own["fc1.bias"]}
    return {name: np.where(np.abs(weight - own[name]) <= ROUNDING * np.abs(own[name]).max(), own[name], weight)
            for name, weight in found.items()}


def _size(network: Network, read: int) -> np.ndarray:
    """(unit,) of the first layer, the norm of what it reads; 1 where that is nothing."""
    norm = np.linalg.norm(network["fc1.weight"][:, :read], axis=1)
    return np.where(norm > TINY, norm, 1.0)


def _sized(network: Network, read: int) -> dict[str, np.ndarray]:
    """The network with units of size 1 in its first layer."""
    first, memory = (np.arange(network[name].shape[1]) for name in ("rnn.weight_ih", "rnn.weight_hh"))
    return Units(first, 1 / _size(network, read), memory, np.ones(len(memory))).of(network)


def _matched(network: Network, reference: Network, read: int) -> Units:
    """The units in which a network is most like the reference, whose first layer has units of size 1."""
    network = {name: weight.astype(float) for name, weight in network.items()}
    size = _size(network, read)
    seen = (network["fc1.weight"][:, :read] / size[:, None]) @ reference["fc1.weight"][:, :read].T
    first = _assigned(seen)
    own, other = (_gates(one) for one in (network, reference))
    n = own.shape[1]
    own = own[:, :, first] * size[first]
    gates = sum(own[gate] @ other[gate].T for gate in range(GATES - 1))
    signed = own[-1] @ other[-1].T + network["fc2.weight"].T @ reference["fc2.weight"]
    memory = _assigned(gates + np.abs(signed))
    sign = np.where(signed[memory, np.arange(n)] < 0, -1.0, 1.0)
    return Units(first, 1 / size[first], memory, sign)


def _gates(network: Network) -> np.ndarray:
    """(gate, unit, unit of the first layer) what a GRU's gates make of the first layer."""
    weight = network["rnn.weight_ih"]
    return weight.reshape(GATES, -1, weight.shape[1])


def _assigned(likeness: np.ndarray) -> np.ndarray:
    """(unit of the reference,) the unit (first axis) that is given to it (second), none twice: the greatest likeness in
    total."""
    units, places = linear_sum_assignment(likeness, maximize=True)
    found = np.empty(len(places), int)
    found[places] = units
    return found
