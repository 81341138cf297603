"""Detectors from outside this project: installed packages' entry points, and classes named on the command line.

No heavy import: ``--help`` lists the former.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from importlib.util import find_spec
from typing import Any

from bench import options, siblings
from bench.errors import BenchError, shown

GROUP = "marl_backdoor_bench.detectors"
_registered: dict[str, str] = {}  # name -> class of the options that Hydra has been told of
_TARGET = re.compile(r"(?:\+\+)?detector\._target_=(.*)")


def detectors() -> dict[str, EntryPoint]:
    """The entry points of the group ``marl_backdoor_bench.detectors``, name -> "PACKAGE.MODULE:CLASS".

    Raises BenchError if a name is taken, by a shipped detector or by that of another package.
    """
    shipped = options.names("detector")
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        if point.name in shipped or point.name in found:
            owner = "this benchmark" if point.name in shipped else package(found[point.name])
            raise BenchError(f"{package(point)} offers a detector '{point.name}', which is the name of one of {owner}; "
                             "rename its entry point or uninstall it")
        found[point.name] = point
    return found


def target(point: EntryPoint) -> str:
    """The class of an entry point as ``_target_`` has it."""
    return point.value.replace(":", ".")


def package(point: EntryPoint) -> str:
    """Who offers an entry point: "NAME VERSION"."""
    return "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"


def origin(named: str) -> str:
    """ "(entry point ... of ...)" where a class is known by one, else nothing: for errors."""
    return next((f" (entry point '{name}' of {package(point)})" for name, point in detectors().items()
                 if target(point) == named), "")


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
        own |= {point.module.partition(".")[0] for point in entry_points(group=GROUP)
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
    """Make every entry point an option of the group ``detector``, which imports nothing of its package yet."""
    from hydra.core.config_store import ConfigStore

    for name, point in detectors().items():
        if _registered.get(name) == target(point):  # Hydra 1.4 warns of what is stored twice
            continue
        _registered[name] = target(point)
        ConfigStore.instance().store(name, {"_target_": target(point)}, "detector", provider=package(point))


def words(given: Sequence[str]) -> list[str]:
    """A command line's words as Hydra has to be told them, so that a detector's parameters are its own.

    ``detector._target_=CLASS`` leaves the values of the chosen option out, which are another class's parameters, and
    ``detector.NAME=VALUE`` is then, or where the option is an entry point's, allowed for every NAME. Words that choose
    the very class of the option, or that say ``~detector`` themselves, stay as they are.
    """
    given = list(given)
    choice = next((word.partition("=")[2] for word in reversed(given) if word.startswith("detector=")),
                  options.default("detector"))
    shipped = choice in options.names("detector")
    named = next((found[1] for word in reversed(given) if (found := _TARGET.fullmatch(word))), None)
    if "~detector" in given or (named is None and (shipped or choice not in detectors())):
        return given
    if named is None:
        return [_added(word) for word in given]
    if shipped and siblings.recorded(options.target("detector", choice) or "") == siblings.recorded(named):
        return given
    own = [word for word in given if not word.startswith("detector=") and not _TARGET.fullmatch(word)]
    return ["~detector", f"+detector._target_={named}", *map(_added, own)]


def _added(word: str) -> str:
    """A value of the detector, set whether or not the option has it."""
    return f"++{word}" if word.startswith("detector.") else word
