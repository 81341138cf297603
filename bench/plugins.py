"""What comes from outside this project: installed packages' entry points, and classes named on the command line.

No heavy import: ``--help`` lists the former.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Collection, Sequence
from importlib.metadata import EntryPoint, EntryPoints, entry_points, packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import options, siblings
from bench.errors import BenchError, shown

PREFIX = "marl_backdoor_bench"
GROUPS = {"detector": "detectors", "model_detector": "model_detectors", "view": "views", "env": "environments",
          "algo": "algorithms", "attack": "attacks", "repair": "repairs", "response": "responses"}
_registered: dict[tuple[str, str], str] = {}  # (group, name) -> class of the options that Hydra has been told of
_TARGET = re.compile(r"(?:\+\+)?detector\._target_=(.*)")


def offered(group: str) -> dict[str, EntryPoint]:
    """The entry points for a group of options, one of ``GROUPS``: name -> "PACKAGE.MODULE:CLASS". Those for detectors
    are of the group ``marl_backdoor_bench.detectors``, and so on.

    Raises BenchError if a name is taken, by a shipped option or by that of another package.
    """
    return installed(GROUPS[group], options.names(group))


def installed(kind: str, shipped: Collection[str]) -> dict[str, EntryPoint]:
    """The entry points ``marl_backdoor_bench.KIND``, by name. BenchError for a name that is taken."""
    what = kind.removesuffix("s").replace("_", " ")
    found: dict[str, EntryPoint] = {}
    for point in _points(kind):
        if point.name in shipped or point.name in found:
            owner = "this benchmark" if point.name in shipped else package(found[point.name])
            raise BenchError(f"{package(point)} offers {'an' if what[0] in 'aeiou' else 'a'} {what} '{point.name}', "
                             f"which is the name of one of {owner}; rename its entry point or uninstall it")
        found[point.name] = point
    return found


def _points(kind: str) -> EntryPoints:
    """The entry points ``marl_backdoor_bench.KIND`` of what is installed now."""
    return _ours(tuple((place, _changed(Path(place))) for place in sys.path)).select(group=f"{PREFIX}.{kind}")


@functools.lru_cache(maxsize=1)
def _ours(places: tuple[tuple[str, int], ...]) -> EntryPoints:  # noqa: ARG001
    """All of ours, read once as long as none of the places where packages are has changed."""
    found = entry_points()
    return EntryPoints(point for kind in found.groups if kind.startswith(PREFIX) for point in found.select(group=kind))


def _changed(place: Path) -> int:
    """When something was last added to a place or taken from it; 0 for one that is not there."""
    try:
        return place.stat().st_mtime_ns
    except OSError:
        return 0


def target(point: EntryPoint) -> str:
    """The class of an entry point as ``_target_`` has it."""
    return point.value.replace(":", ".")


def package(point: EntryPoint) -> str:
    """Who offers an entry point: "NAME VERSION"."""
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def origin(named: str) -> str:
    """ "(entry point ... of ...)" where a class is known by one, else nothing: for errors."""
    return next((f" (entry point '{name}' of {package(point)})" for group in GROUPS
                 for name, point in offered(group).items() if target(point) == named), "")


def trusted(named: Any) -> frozenset[str]:
    """The top-level modules of the packages of ``plugin=[NAME, ...]``, named as they are installed or imported, whose
    classes a file may name. Nothing is imported.

    Raises BenchError for a package that is not here, or that no detector can come from.
    """
    found: set[str] = set()
    for name in [] if named is None else [named] if isinstance(named, str) else list(named):
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][\w.-]*", name, re.ASCII):
            raise BenchError(f"plugin is {shown(name)}; allowed: names of installed packages, plugin=[NAME, ...]")
        own = {top for top, owners in packages_distributions().items() if _same(name, owners)}
        own |= {point.module.partition(".")[0] for group in GROUPS.values()
                for point in _points(group)
                if point.dist is not None and _same(name, [point.dist.name])}
        if name.isidentifier() and find_spec(name) is not None:
            own.add(name)
        if not own:
            raise BenchError(f"plugin={name}: no package of this name is installed here, and no module is to be found")
        for top in own & {*sys.stdlib_module_names, *siblings.NAMES, "bench"}:
            raise BenchError(f"plugin={name}: {top} is Python's or this benchmark's own, and no plug-in")
        found |= own
    return frozenset(found)


def belongs(target: Any, trusted: frozenset[str]) -> bool:
    """Whether a class, as ``_target_`` has it, is in one of the modules of :func:`trusted`."""
    return isinstance(target, str) and "." in target and target.partition(".")[0] in trusted


def _same(name: str, distributions: Sequence[str]) -> bool:
    """Whether a distribution is called so, as pip compares names."""
    return any(re.sub(r"[-_.]+", "-", one).lower() == re.sub(r"[-_.]+", "-", name).lower() for one in distributions)


def register() -> None:
    """Make every entry point an option of its group, which imports nothing of its package yet. Values may be added to
    it: what its class takes is not known before."""
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    for group in GROUPS:
        for name, point in offered(group).items():
            if _registered.get((group, name)) == target(point):  # Hydra 1.4 warns of what is stored twice
                continue
            _registered[group, name] = target(point)
            node = OmegaConf.create({"_target_": target(point)}, flags={"struct": False})
            ConfigStore.instance().store(name, node, group, provider=package(point))


def overrides(given: Sequence[str]) -> list[str]:
    """Overrides as Hydra has to be told them, where ``detector._target_=CLASS`` puts another class in the place of the
    option's: the values of the option, which are the other one's parameters, are left out, and ``detector.NAME=VALUE``
    is then allowed for every NAME. Those that say ``~detector`` themselves stay as they are.
    """
    given = list(given)
    choice = next((override.partition("=")[2] for override in reversed(given) if override.startswith("detector=")),
                  options.default("detector"))
    own = options.target("detector", choice) if choice in options.names("detector") else None
    named = next((found[1] for override in reversed(given) if (found := _TARGET.fullmatch(override))), None)
    if "~detector" in given or named is None or siblings.recorded(own or "") == siblings.recorded(named):
        return given
    others = [one for one in given if not one.startswith("detector=") and not _TARGET.fullmatch(one)]
    return ["~detector", f"+detector._target_={named}",
            *(f"++{override}" if override.startswith("detector.") else override for override in others)]
