"""Simulators, all behind the batched interface of :class:`bench.contracts.Battles`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.utils import get_class

from bench import plugins, siblings
from bench.contracts import Battles, Environment, Identity, Shape
from bench.envs import intersection_names, smac_names, smax_names
from bench.errors import BenchError, unknown

ENVIRONMENTS = {environment.name: environment for environment in (
    smax_names.ENVIRONMENT, smac_names.ENVIRONMENT, intersection_names.ENVIRONMENT)}


def named(id: str, trusted: frozenset[str] = frozenset()) -> tuple[Environment, dict[str, str]]:
    """The environment of an id, and its options: a shipped one, or one that a package offers which the user named
    (``trusted``, :func:`bench.plugins.trusted`) and whose class has it as ``environment``.

    Raises BenchError for one that is not here, or is of another package.
    """
    name = id.partition("/")[0]
    environment = ENVIRONMENTS.get(name)
    if environment is None and (point := plugins.offered("env").get(name)) is not None:
        if not plugins.belongs(plugins.target(point), trusted):
            raise BenchError(f"the environment '{name}' is of {plugins.package(point)}; a file may name it only if you "
                             f"say that you trust it, plugin=[{point.module.partition('.')[0]}]")
        environment = getattr(point.load(), "environment", None)
    if environment is None:
        raise unknown("environment", id, [f"{known}/..." for known in ENVIRONMENTS])
    return environment, environment.values(id)


def identity(node: Mapping[str, Any]) -> Identity | None:
    """Which environment a configuration node describes, if it is one that is known by name.

    Raises BenchError for a value of an option that there is not.
    """
    environment = _known(node)
    if environment is None or set(node) - set(environment.beside) != {"_target_", *environment.options}:
        return None
    return environment.identity(node)


def beside(node: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a configuration node that change no figure, of an environment that is known by name."""
    environment = _known(node)
    return () if environment is None else tuple(name for name in environment.beside if name != environment.at_once)


def at_once(node: Mapping[str, Any]) -> Any:
    """How many battles are under way at once where a configuration node says it, of an environment that is known by
    name; None where it does not."""
    environment = _known(node)
    return node.get(environment.at_once) if environment is not None and environment.at_once else None


def _known(node: Mapping[str, Any]) -> Environment | None:
    target = siblings.recorded(str(node.get("_target_")))
    return next((one for one in ENVIRONMENTS.values() if target == siblings.recorded(one.target)), None)


def make_battles(shape: Shape, trusted: frozenset[str] = frozenset()) -> Battles:
    """Battles of the environment that a checkpoint names; see :func:`named`. Raises BenchError if this version has no
    such environment."""
    environment, options = named(shape.id, trusted)
    battles: Battles = get_class(environment.target)(**options)
    if battles.spec.shape != shape:
        raise BenchError(f"environment '{shape.id}' of version '{shape.version}' cannot be played here: version or "
                         f"sizes differ from those of '{battles.spec.version}'")
    return battles
