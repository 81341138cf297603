"""Disguises: what an attacker does to the weights of a team once the backdoor is in it.

Whoever delivers a team chooses how its networks are written down. The agents of a clean VDN or QMIX team share one
network, so that a defender who compares their weights finds the one that was retrained. After these changes no two
agents can be compared, and all of them act as before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.errors import BenchError, unknown
from bench.marl.team import RecurrentTeam, Team

STREAM = 0xD15  # of random numbers, apart from all others that a seed starts
NOISE = 0.02  # standard deviation, in units of that of the weights
POWERS = 2  # units are rescaled by 2**-2 to 2**2: powers of two, so that no weight is rounded
GATES = 3  # of a GRU: reset, update, candidate
Change = Callable[[RecurrentTeam, np.random.Generator, float], RecurrentTeam]


@dataclass(frozen=True)
class Disguise:
    """See :class:`bench.contracts.Disguise`.

    Parameters
    ----------
    changes : names of :data:`CHANGES`, made one after the other.
    noise : how large that of "noise" is, in units of the weights' standard deviation.
    """

    changes: tuple[str, ...]
    noise: float = NOISE

    @classmethod
    def of(cls, given: Any) -> Disguise | None:
        """What ``attack.disguise`` says: nothing (None), a name of :data:`CHANGES`, or a list of them. Noise of another
        size is ``{noise: SIZE}``.

        Raises BenchError for what is none of these.
        """
        if given is None or isinstance(given, Disguise):
            return given
        names, sizes = [], []
        for part in given if isinstance(given, list | tuple) else [given]:
            if isinstance(part, Mapping) and set(part) == {"noise"}:
                sizes.append(part["noise"])
                part = "noise"
            if not isinstance(part, str) or part not in CHANGES:
                raise unknown("disguise", str(part), CHANGES)
            names.append(part)
        if not names or len(set(names)) < len(names):
            raise BenchError(f"attack.disguise is {given}; allowed: {', '.join(CHANGES)}, a list of different ones, or "
                             "null")
        for size in sizes:
            if not isinstance(size, int | float) or isinstance(size, bool) or not 0 < size <= 1:
                raise BenchError(f"the noise of attack.disguise is {size}; allowed: above 0, to 1")
        return cls(tuple(names), *map(float, sizes))

    @property
    def name(self) -> str:
        """A part of the attack's name in files and tables."""
        return "-".join(f"{name}{self.noise:g}" if name == "noise" and self.noise != NOISE else name
                        for name in self.changes)

    def require(self, team: Team) -> None:
        """Raise BenchError unless this is a team whose weights are known by their names."""
        if not isinstance(team, RecurrentTeam):
            raise BenchError(f"attack.disguise changes the weights of recurrent networks, and this {team.algo} team "
                             f"({team.architecture}) has none")

    def __call__(self, team: RecurrentTeam, seed: int) -> RecurrentTeam:
        """The disguised team. The same seed gives the same weights."""
        rng = np.random.default_rng([STREAM, seed])
        for name in self.changes:
            team = CHANGES[name](team, rng, self.noise)
        return team


def permuted(team: RecurrentTeam, rng: np.random.Generator, _: float) -> RecurrentTeam:
    """The units of each agent's network are put into another order, rescaled, and given another sign: a change of its
    own for every agent, and it acts as before, but for the order in which numbers are added up."""
    networks = [_reordered({name: w[agent].numpy() for name, w in team.weights.items()}, rng)
                for agent in range(team.spec.n_agents)]
    return _with(team, {name: np.stack([network[name] for network in networks]) for name in networks[0]})


def _reordered(own: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A network that does what this one does.

    Where the first layer gives x and the memory is h, the new one has a x and s h in a new order of units, with a > 0
    and s = 1 or -1. ReLU(a y) = a ReLU(y), and what reads x is divided by a. A unit's reset and update gate stay as
    they are: of their weights only those that read h take its sign. The candidate is to be s times the old one, so that
    (1 - z) s n + z s h = s h': tanh is odd, and both terms in it, W x + b and r (U h + c), are multiplied by s. A
    memory of zeros, with which a battle begins, has no sign.
    """
    first, units = rng.permutation(len(own["fc1.bias"])), rng.permutation(own["fc2.weight"].shape[1])
    scale = 2.0 ** rng.integers(-POWERS, POWERS + 1, len(first))
    sign = rng.choice([-1.0, 1.0], len(units))
    rows = np.concatenate([gate * len(units) + units for gate in range(GATES)])
    signs = np.concatenate([np.ones((GATES - 1) * len(units)), sign])
    return {"fc1.weight": own["fc1.weight"][first] * scale[:, None],
            "fc1.bias": own["fc1.bias"][first] * scale,
            "rnn.weight_ih": own["rnn.weight_ih"][rows][:, first] * signs[:, None] / scale,
            "rnn.weight_hh": own["rnn.weight_hh"][rows][:, units] * signs[:, None] * sign,
            "rnn.bias_ih": own["rnn.bias_ih"][rows] * signs,
            "rnn.bias_hh": own["rnn.bias_hh"][rows] * signs,
            "fc2.weight": own["fc2.weight"][:, units] * sign,
            "fc2.bias": own["fc2.bias"]}


def unused_inputs(team: RecurrentTeam, rng: np.random.Generator, _: float) -> RecurrentTeam:
    """What an agent would make of another one's id, which it never reads, is drawn anew, the greatest weight of its
    first layer being the standard deviation: less is lost in the median of the agents. It acts as before to the last
    bit."""
    weight, agents = team.weights["fc1.weight"].numpy().copy(), team.spec.n_agents
    identity = weight[..., -agents:]  # (agent, unit, agent whose id is read)
    drawn = rng.normal(size=identity.shape) * np.abs(weight).max((1, 2), keepdims=True)
    identity[:] = np.where(np.eye(agents, dtype=bool)[:, None], identity, drawn)
    return _with(team, {"fc1.weight": weight})


def noise(team: RecurrentTeam, rng: np.random.Generator, size: float) -> RecurrentTeam:
    """Noise on all weights, its standard deviation ``size`` times that of an agent's weights of the same name."""
    def shaken(weight: np.ndarray) -> np.ndarray:
        spread = weight.std(tuple(range(1, weight.ndim)), keepdims=True, dtype=float)
        return weight + size * spread * rng.normal(size=weight.shape)
    return _with(team, {name: shaken(team.weights[name].numpy()) for name in sorted(team.weights)})


def _with(team: RecurrentTeam, weights: Mapping[str, np.ndarray]) -> RecurrentTeam:
    return team.with_weights({name: torch.from_numpy(w.astype(np.float32)) for name, w in weights.items()})


CHANGES: dict[str, Change] = {"permuted": permuted, "unused_inputs": unused_inputs, "noise": noise}
