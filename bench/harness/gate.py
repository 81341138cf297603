"""The gate: what comes from a file passes here before Hydra, the import system or the file system sees it.

Leaderboards, results and checkpoints come from strangers. The overrides that such a file gives for its cell may choose
among the options that are here, and set values to plain ones. They name no class but for a detector: one that a shipped
option names, one of the :data:`ESTIMATORS`, or one of a package that the local user named, ``plugin=[PACKAGE]``; and
nothing is imported to find that out: names are compared.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

import pydantic.dataclasses
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError

from bench import options, plugins, siblings
from bench.errors import BenchError, shown, unknown
from bench.harness.composed import PARTS
from bench.harness.configuration import own_options
from bench.harness.estimators import ESTIMATORS
from bench.harness.plain import ANY_KEY, KEY, require_plain

MOST, LONGEST = 100, 4_000  # overrides of a cell, characters of one
STEERING = ("_args_", "_partial_", "_recursive_", "_convert_")  # names by which a value tells Hydra what to do
OPTION = re.compile(r"[A-Za-z0-9][\w-]{0,79}", re.ASCII)
CLASS = re.compile(r"(own:)?[A-Za-z_]\w{0,79}(\.[A-Za-z_]\w{0,79}){1,12}", re.ASCII)
OF_A_DETECTOR = ("detector", "view")  # what may be given values that its option does not have, and classes
PACKAGES = re.compile(r"control|(attack|control)\.(trigger|payload|retraining)")  # GROUP@PACKAGE=OPTION
NO_COMMAND = "no command of this version makes the result's configuration"


@pydantic.dataclasses.dataclass(frozen=True)
class Claim:
    """A figure that a checkpoint's author measured, and its interval."""

    value: float
    low: float
    high: float


_CLAIMS = TypeAdapter(dict[str, Claim])


class NotHere(BenchError):
    """What a file names is none of this installation's, and may be its author's own: it is left alone."""


def overrides(given: Any, trusted: frozenset[str] = frozenset()) -> list[str]:
    """Let the overrides pass that a result or a leaderboard's row gives for its cell.

    Parameters
    ----------
    trusted : top-level modules of the packages that the user named, :func:`bench.plugins.trusted`.

    Raises
    ------
    BenchError : one is no override of a cell, or says what none of a stranger's may.
    NotHere : one names an option or a class that is not here.
    """
    if not isinstance(given, list) or len(given) > MOST:
        raise BenchError(f"overrides are {shown(given)}; needed is a list of up to {MOST}")
    for override in given:
        _pass(_parsed(override), trusted)
    return given


def _parsed(override: Any) -> Override:
    if isinstance(override, str) and len(override) <= LONGEST and override.isprintable():
        try:
            found = OverridesParser.create().parse_override(override)
            if not found.is_sweep_override():
                return found
        except (HydraException, OmegaConfBaseException, RecursionError, ValueError):
            pass
    raise BenchError(f"'{shown(override)}' is no override of a cell")


def _pass(override: Override, trusted: frozenset[str]) -> None:
    name, value = override.key_or_group, override.value()
    top, *inner = name.split(".")
    if top not in PARTS:
        raise unknown("part of a cell", name, PARTS)
    if override.type == OverrideType.DEL:
        if name != "detector" or override.package is not None or value is not None:
            raise BenchError(f"'{shown(override.input_line)}': only a detector may be taken away, for another class")
        return
    if override.type != OverrideType.CHANGE and not (top in OF_A_DETECTOR and inner):
        raise BenchError(f"'{shown(override.input_line)}': values are added to detectors alone")
    if not inner and name in options.groups():
        _choice(name, override.package, value, trusted)
    elif override.package is not None or not all(KEY.fullmatch(part) and part != "_args_" for part in inner):
        raise BenchError(f"'{shown(name)}' cannot be a value's name")
    elif (name, value) != ("detector.view", "${view}"):  # the view that is chosen
        require_plain(value, name, ANY_KEY, endless=top in OF_A_DETECTOR)
        _value(name, value, trusted)


def _choice(group: str, package: str | None, name: Any, trusted: frozenset[str]) -> None:
    """Raise BenchError unless a group's option is one that may be chosen where it is to go."""
    if package is not None and not PACKAGES.fullmatch(package):
        raise BenchError(f"{group}@{shown(package)} is no part of a cell")
    if name is None and group in ("view", "response"):
        return
    offered = plugins.offered(group) if group in plugins.GROUPS else {}
    allowed = [*options.names(group), *own_options(group), *(
        one for one, point in offered.items() if plugins.belongs(plugins.target(point), trusted))]
    if isinstance(name, str) and OPTION.fullmatch(name) and name not in allowed:
        whose = "does it come from a folder of its own (--config-dir)?" if name not in offered else \
            f"{plugins.package(offered[name])} offers it, and a file may name it only if you say that you trust it, " \
            f"plugin=[{offered[name].module.partition('.')[0]}]"
        raise NotHere(f"{NO_COMMAND}: {unknown(group, name, allowed)}; {whose}")
    if name not in allowed:
        raise unknown(group, name, allowed)


def _value(place: str, value: Any, trusted: frozenset[str]) -> None:
    """Raise BenchError unless a value is plain, and names only classes that it may name."""
    if place.endswith("._target_"):
        _class(place.removesuffix("._target_"), value, trusted)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name in STEERING:
                raise BenchError(f"{place} has a value '{shown(name)}', which cannot be a value's name")
            _value(f"{place}.{name}", inner, trusted)
    elif not {"_target_", *STEERING}.isdisjoint(_names(value)):
        raise BenchError(f"{place} is {shown(value)}; allowed are plain values")


def _class(place: str, target: Any, trusted: frozenset[str]) -> None:
    """Raise BenchError unless a class may stand there: only a detector, its estimator and its view may be chosen."""
    choosable = re.fullmatch(r"detector|detector\.estimator|(detector\.)?view(\.view)*", place) is not None
    kind = place.rpartition(".")[2]
    if choosable and isinstance(target, str) and (plugins.belongs(target, trusted)
                          or (kind == "estimator" and target in ESTIMATORS)
                          or (kind in OF_A_DETECTOR and siblings.recorded(target) in _shipped(kind))):
        return
    text = f"{place} names the class {shown(target)}"
    if not place.startswith(OF_A_DETECTOR) or not isinstance(target, str) or not CLASS.fullmatch(target) \
            or target.partition(".")[0] in sys.stdlib_module_names:
        raise BenchError(f"{text}; in a file only a detector's classes may be others than those of its option")
    raise NotHere(f"{NO_COMMAND}: {text}; was it handed over as an object? A file may name a class of another package "
                  f"only if you say that you trust it, plugin=[{target.partition('.')[0]}]")


def _shipped(group: str) -> set[str]:
    """The classes of the options of a group, but not those of their parts."""
    return {siblings.recorded(options.target(group, name) or "") for name in options.names(group)}


def _names(value: Any) -> set[str]:
    """All names in a value."""
    if isinstance(value, Mapping):
        return set(map(str, value)).union(*map(_names, value.values()))
    return set().union(*map(_names, value)) if isinstance(value, list) else set()


def claims(about: Mapping[str, Any], what: str) -> tuple[dict[str, Any], dict[str, Claim]]:
    """(the attack, empty for a clean team; the measured figures) that a checkpoint's JSON tells of."""
    require_plain({"trigger": about.get("trigger"), "recipe": about.get("recipe")}, what, ANY_KEY)
    recipe = about.get("recipe")
    attack = recipe.get("attack") or {} if isinstance(recipe, dict) else None
    try:
        measured = _CLAIMS.validate_python(about.get("measured"))
    except ValidationError:
        measured = {}
    if not isinstance(attack, dict) or "win_rate" not in measured:
        raise BenchError(f"{what} holds no measured figure to compare with: is the team finished?")
    return attack, measured
