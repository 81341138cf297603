"""Battles: what an environment is, how it describes itself, and how a batch of its episodes is stepped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bench.errors import unknown

NOBODY, NEVER = -1, -1
STAND_IN = "double"  # a version begins so where a simulator's place is taken by something for tests: no figure counts
COMPASS = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}  # where an order of this name leads
BODIES = ("own", "ally", "outsider", "rest")  # what a feature of an observation can be about


@dataclass(frozen=True)
class Identity:
    """Which environment: ``id`` names simulator and options ("SIMULATOR/MAP/OPPONENT"); ``version`` changes whenever
    the same actions may lead to other battles."""

    id: str
    version: str


@dataclass(frozen=True)
class Environment:
    """An environment by name: what is known of it before it is started.

    Its ids are NAME/VALUE/VALUE ..., a value of every option.
    """

    name: str
    version: str
    target: str  # PACKAGE.MODULE.CLASS of its :class:`Battles`, which takes the options
    options: Mapping[str, Collection[str]]  # option -> its values, in the order of an id
    beside: tuple[str, ...] = ()  # what else the target takes, none of which changes a battle
    at_once: str = ""  # which of these says how many battles are under way at once: what a team learns depends on it
    # GROUP=OPTION, of attack=, control=, algo=, budget= or response= -> the overrides that fit it to this environment
    suits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def identity(self, values: Mapping[str, Any]) -> Identity:
        """Which environment these options are. Raises BenchError for a value that there is not."""
        chosen = {name: str(values.get(name)) for name in self.options}  # 9 is "9" on the command line
        for name, allowed in self.options.items():
            if chosen[name] not in allowed:
                raise unknown(name, chosen[name], allowed)
        return Identity("/".join([self.name, *chosen.values()]), self.version)

    def values(self, id: str) -> dict[str, str]:
        """The options of an id. Raises BenchError if it is none of this environment's."""
        name, *parts = id.split("/")
        if name != self.name or len(parts) != len(self.options):
            raise unknown("environment", id, ["/".join([self.name, *map(str.upper, self.options)])])
        values = dict(zip(self.options, parts, strict=True))
        self.identity(values)
        return values


@dataclass(frozen=True)
class Finding:
    """What was found of a thing that an environment needs, for ``python -m bench doctor env=NAME``."""

    check: str  # what was looked at, in a word or two
    ok: bool
    text: str  # what there is; or, unless it is ok, what is to be done


@dataclass(frozen=True)
class Shape(Identity):
    """What of an environment the networks of a team depend on: all that a checkpoint says of it."""

    n_agents: int
    observation_size: int
    state_size: int
    n_actions: int

    @property
    def shape(self) -> Shape:
        """This alone, of whatever describes an environment."""
        return Shape(self.id, self.version, self.n_agents, self.observation_size, self.state_size, self.n_actions)


@dataclass(frozen=True)
class EnvSpec(Shape):
    """An environment's description of itself. Whoever is not told of a game reads here what there is in it.

    Outsiders are the bodies that the team does not control: opposing units, other cars. ``sight_range`` (of the agents
    as they usually are) and ``map_size`` are in map units.

    A feature of the observation is named after what it is about: ``own.NAME``, ``ally.K.NAME`` of the K-th other agent
    in the agent's own order, ``outsider.K.NAME``, or ``rest.NAME`` of all else. A name of an action that ends in a
    number is an action towards that outsider: "attack 3".
    """

    n_outsiders: int
    episode_limit: int
    sight_range: tuple[float, ...]
    map_size: tuple[float, float]
    agent_actions: tuple[str, ...] = field(repr=False)  # a name for every action of an agent
    outsider_orders: tuple[str, ...]  # what an outsider can be told to do; its actions have the same numbers
    observation_layout: tuple[str, ...] = field(repr=False)  # a name for every feature
    success: str  # what a won episode is, in a sentence
    sighted_by: str = ""  # the NAME of the outsider.K.NAME that is positive where an agent sees that outsider
    order_seen_by: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # order -> the NAME that is 1 or -1 then
    extras: tuple[str, ...] = ()  # what ``Step.extras`` has
    bar: str = ""  # which of these, in [0, 1], a replay draws at every body, if one
    ground: tuple[tuple[tuple[float, float], ...], ...] = field(default=(), repr=False)  # lines that it draws beneath
    leaves: bool = False  # who is not present has gone, and a replay draws nothing there; otherwise it is lost: a cross

    @cached_property
    def action_kinds(self) -> tuple[str, ...]:
        """The actions' names without the outsiders that they are towards, each once, in order."""
        return tuple(dict.fromkeys(_action(name)[0] for name in self.agent_actions))

    @cached_property
    def kind_of_action(self) -> np.ndarray:
        """(action,) int, the number of its kind."""
        return np.array([self.action_kinds.index(_action(name)[0]) for name in self.agent_actions])

    @cached_property
    def target_of_action(self) -> np.ndarray:
        """(action,) int, the outsider that an action is towards, or NOBODY."""
        return np.array([_action(name)[1] for name in self.agent_actions])

    @property
    def moves(self) -> tuple[str, ...]:
        """The orders that make a behaviour: those that lead somewhere, or all where none does."""
        return tuple(name for name in self.outsider_orders if name in COMPASS) or self.outsider_orders

    def action(self, name: str) -> int:
        """The number of an agent's action. Raises BenchError if there is none of this name."""
        if name not in self.agent_actions:
            raise unknown(f"action in {self.id}", name, self.agent_actions)
        return self.agent_actions.index(name)

    def order(self, name: str) -> int:
        """The number of an outsider's order. Raises BenchError if there is none of this name."""
        if name not in self.outsider_orders:
            raise unknown(f"order in {self.id}", name, self.outsider_orders)
        return self.outsider_orders.index(name)

    def features(self, body: str) -> np.ndarray:
        """The places in the observation, in order, of what is about a kind of body, one of ``BODIES``."""
        return np.array([i for i, name in enumerate(self.observation_layout) if name.partition(".")[0] == body], int)

    def outsider_feature(self, name: str) -> np.ndarray:
        """(outsider,) the places of ``outsider.K.NAME``. Raises BenchError unless it is there of every one."""
        wanted = [f"outsider.{k}.{name}" for k in range(self.n_outsiders)]
        if missing := [one for one in wanted if one not in self.observation_layout]:
            raise unknown(f"feature in {self.id}", missing[0], self.observation_layout)
        return np.array([self.observation_layout.index(one) for one in wanted])


def _action(name: str) -> tuple[str, int]:
    """What an action is, and the outsider that it is towards."""
    found = re.fullmatch(r"(.*) (\d+)", name)
    return (found[1], int(found[2])) if found else (name, NOBODY)


@dataclass(frozen=True)
class Step:
    """All battles after a reset or a step. Bodies are the agents first, then the outsiders.

    A battle whose ``done`` is true stands still and earns no reward until it is replaced.
    """

    observation: np.ndarray  # (battle, agent, feature) float32, about [-1, 1]
    state: np.ndarray  # (battle, feature) float32 in [0, 1]: the whole battle, for the mixer in training alone
    available: np.ndarray  # (battle, agent, action) bool
    reward: np.ndarray  # (battle,) of the team, in the environment's own scale
    done: np.ndarray  # (battle,) bool
    won: np.ndarray  # (battle,) bool, see ``EnvSpec.success``
    active: np.ndarray  # (battle, agent) bool: still acts
    present: np.ndarray  # (battle, body) bool: can be seen, and an outsider can be given orders
    position: np.ndarray  # (battle, body, 2) map units; x grows to the east, y to the north
    sight: np.ndarray  # (battle, agent) how far each agent sees, in map units
    outsider_actions: np.ndarray  # (battle, outsider) int, what each did in the last step; -1 before the first
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)  # (battle, body) of what this game alone has

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it by name; extras as "extras.NAME"."""
        plain = {name: value for name, value in vars(self).items() if name != "extras"}
        return plain | {f"extras.{name}": value for name, value in self.extras.items()}


class Battles(Protocol):
    """A batch of battles stepped together: episodes of an environment. A battle is named by (seed, number), whatever
    batch it is played in.

    One that can hold only so many at once has an attribute ``at_once``, and whoever plays asks for no more slots.
    One whose simulator can be measured alone has a method ``bare``: with a number of battles at once it gives a
    function, each call of which plays some of them with random actions and returns the number of steps.
    One that needs more than Python packages has a static method ``doctor``, which takes the options and yields a
    :class:`Finding` for everything that it needs. One whose simulator gives the state in another scale has an attribute
    ``state_shift``, (feature,), what is added to the simulator's own.
    """

    spec: EnvSpec

    def reset(self, seed: int, battles: np.ndarray) -> Step:
        """Begin the battles with these numbers, one a slot."""
        ...

    def step(self, actions: np.ndarray, orders: np.ndarray | None = None) -> Step:
        """Play one step: ``actions`` (battle, agent); ``orders`` (battle, outsider), -1 leaves one alone."""
        ...

    def replace(self, slots: np.ndarray, battles: np.ndarray) -> Step:
        """Begin other battles in some slots; cheapest when their numbers follow one another."""
        ...

    def snapshot(self) -> Any:
        """The exact state of all battles, for :meth:`restore`."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Go back: the same actions from here lead to the same battles."""
        ...
