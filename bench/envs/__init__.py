"""Simulators, one file each, all behind the batched interface of :class:`bench.contracts.Battles`."""

from __future__ import annotations

from bench.contracts import Battles, Shape
from bench.errors import BenchError, unknown


def place(name: str) -> tuple[str, str]:
    """The map and the opponent of an environment, "simulator/map/opponent". Raises BenchError for any that is not
    among the environment's own."""
    from bench.envs.smax import MAP_NAME_TO_SCENARIO, OPPONENTS

    simulator, *parts = name.split("/")
    if simulator != "smax" or len(parts) != 2:
        raise unknown("environment", name, ["smax/MAP/OPPONENT"])
    for kind, part, allowed in zip(("map", "opponent"), parts, (MAP_NAME_TO_SCENARIO, OPPONENTS), strict=True):
        if part not in allowed:
            raise unknown(kind, part, allowed)
    return parts[0], parts[1]


def make_battles(spec: Shape) -> Battles:
    """Battles of the environment that a checkpoint names. Raises BenchError if this version has no such environment."""
    from bench.envs.smax import SmaxBattles

    battles = SmaxBattles(*place(spec.id))
    if battles.spec.shape != spec:
        raise BenchError(f"environment '{spec.id}' of version '{spec.version}' cannot be played here: version or sizes "
                         f"differ from those of '{battles.spec.version}'")
    return battles
