"""Simulators, one file each, all behind the batched interface of :class:`bench.contracts.Battles`."""

from __future__ import annotations

from bench.contracts import Battles, EnvSpec
from bench.errors import BenchError


def make_battles(spec: EnvSpec) -> Battles:
    """Battles of the environment that a checkpoint names. Raises BenchError if this version has no such environment."""
    from bench.envs.smax import SmaxBattles

    simulator, _, rest = spec.id.partition("/")
    parts = rest.split("/")
    if simulator != "smax" or len(parts) != 2:
        raise BenchError(f"no environment '{spec.id}'; allowed: smax/MAP/OPPONENT")
    battles = SmaxBattles(*parts)
    if battles.spec != spec:
        raise BenchError(f"environment '{spec.id}' of version '{spec.version}' cannot be played here: version or sizes "
                         f"differ from those of '{battles.spec.version}'")
    return battles
