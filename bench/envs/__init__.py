"""Simulators, all behind the batched interface of :class:`bench.contracts.Battles`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.utils import get_class

from bench import siblings
from bench.contracts import Battles, Environment, Identity, Shape
from bench.envs import smac_names, smax_names
from bench.errors import BenchError, unknown

ENVIRONMENTS = {environment.name: environment for environment in (smax_names.ENVIRONMENT, smac_names.ENVIRONMENT)}


def named(id: str) -> tuple[Environment, dict[str, str]]:
    """The environment of an id, and its options. Raises BenchError for one that is not here."""
    name = id.partition("/")[0]
    if name not in ENVIRONMENTS:
        raise unknown("environment", id, [f"{known}/..." for known in ENVIRONMENTS])
    return ENVIRONMENTS[name], ENVIRONMENTS[name].values(id)


def identity(node: Mapping[str, Any]) -> Identity | None:
    """Which environment a configuration node describes, if it is one that is known by name.

    Raises BenchError for a value of an option that there is not.
    """
    target = siblings.recorded(str(node.get("_target_")))
    for environment in ENVIRONMENTS.values():
        given = set(node) - set(environment.beside)
        if target == siblings.recorded(environment.target) and given == {"_target_", *environment.options}:
            return environment.identity(node)
    return None


def make_battles(shape: Shape) -> Battles:
    """Battles of the environment that a checkpoint names. Raises BenchError if this version has no such environment."""
    environment, options = named(shape.id)
    battles: Battles = get_class(environment.target)(**options)
    if battles.spec.shape != shape:
        raise BenchError(f"environment '{shape.id}' of version '{shape.version}' cannot be played here: version or "
                         f"sizes differ from those of '{battles.spec.version}'")
    return battles
