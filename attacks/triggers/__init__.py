"""Triggers: how a backdoor is woken. What they share is here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.contracts import EnvSpec
from bench.errors import BenchError


def first_of(victim: int | Sequence[int]) -> int:
    """The agent that a trigger is about where several are poisoned: the first one; the others have to see it, too."""
    return victim if isinstance(victim, int) else victim[0]


def one_agent(victim: Any) -> int:
    """The one agent that a trigger is shown to. Raises BenchError for several."""
    if not isinstance(victim, int):
        raise BenchError(f"this trigger is shown to one agent; the poisoned agents are {victim}")
    return victim


def require_agents(spec: EnvSpec, agents: Sequence[int]) -> None:
    """Raise BenchError unless the environment has these agents."""
    for agent in agents:
        if not 0 <= agent < spec.n_agents:
            raise BenchError(f"the poisoned agent {agent} does not exist; {spec.id} has agents 0 to "
                             f"{spec.n_agents - 1}")


def require_extras(spec: EnvSpec, names: Sequence[str]) -> None:
    """Raise BenchError unless a step of the environment has these extras, which one kind of game alone has."""
    for name in names:
        if name not in spec.extras:
            there = ", ".join(spec.extras) or "nothing of the kind"
            raise BenchError(f"this attack needs the {name} of every body, and {spec.id} tells {there}")


def require_features(spec: EnvSpec, features: Sequence[int]) -> None:
    """Raise BenchError unless an observation has these features, negative ones counted from its end."""
    for feature in features:
        if not -spec.observation_size <= feature < spec.observation_size:
            raise BenchError(f"feature {feature} is not in an observation of {spec.observation_size} features")
