"""The gate: what comes from a file passes here before Hydra, the import system or the file system sees it.

Leaderboards, results and checkpoints come from strangers. Such a file may choose among the options that are here, and
set values that those options have, to plain ones. It names no class but the one that the option has at that very place,
one of the :data:`ESTIMATORS`, or one of a package that the local user named, ``plugin=[PACKAGE]``; and nothing is
imported to find that out: names are compared.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pydantic.dataclasses
from hydra import compose
from pydantic import TypeAdapter, ValidationError

from bench import BENCHMARK, envs, options, plugins, siblings
from bench.artifacts.written import plain
from bench.build import targets
from bench.contracts import DEFENDERS
from bench.errors import BenchError, shown, unknown
from bench.harness.configuration import PLACES, option, own_options
from bench.harness.estimators import ESTIMATORS
from bench.harness.plain import ANY_KEY, KEY, require_plain

SEEDS = range(1_000)
NAME = re.compile(r"[A-Za-z0-9][\w-]{0,79}", re.ASCII)  # of an option
CLASS = re.compile(r"(own:)?[A-Za-z_]\w{0,79}(\.[A-Za-z_]\w{0,79}){1,12}", re.ASCII)
DIGEST = re.compile("[0-9a-f]{64}")
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


def check(config: Mapping[str, Any], trusted: frozenset[str]) -> None:
    """Let a result's configuration pass.

    Parameters
    ----------
    trusted : top-level modules of the packages that the user named, :func:`bench.plugins.trusted`.

    Raises
    ------
    BenchError : it holds what no configuration of this release can hold.
    NotHere : it is of another release, or has options or classes that are not here.
    """
    require_plain({name: value for name, value in config.items() if name != "detector"})
    require_plain(config.get("detector"), "detector", ANY_KEY, endless=True)
    if config.get("benchmark_version") != BENCHMARK:
        raise NotHere(f"{NO_COMMAND}, which is of benchmark {shown(config.get('benchmark_version'))}; this release "
                      f"measures figures of {BENCHMARK}")
    for part in ("env", "algo", "attack", "budget", "seed", "detector", "control"):
        if part not in config:
            raise NotHere(f"{NO_COMMAND}: it has no '{part}'")
    if "clean" in config:
        raise NotHere(f"{NO_COMMAND}: its clean team was given to it (clean=PATH)")
    words = [f"seed={_seed(config['seed'])}", f"algo={_choice('algo', config['algo'])}",
             f"attack={_choice('attack', config['attack'])}"]
    if config["control"] is not None:
        words.append(f"attack@control={_choice('attack', config['control'])}")
    words.append(f"response={_choice('response', config.get('response', {'name': 'none'}))}")
    if config.get("defender", DEFENDERS[0]) not in DEFENDERS:
        raise unknown("defender", config["defender"], DEFENDERS)
    steps = config.get("after_steps")
    if steps is not None and (type(steps) is not int or steps < 1):
        raise BenchError(f"after_steps is {shown(steps)}; allowed: whole numbers from 1, or null")
    known = {name: value for name, value in plain(compose("config", words)).items() if name not in PLACES}
    if "referee" in config and not (isinstance(config["referee"], str) and DIGEST.fullmatch(config["referee"])):
        raise BenchError(f"referee is {shown(config['referee'])}; it must be a SHA-256")
    for name, value in config.items():
        if name in ("benchmark_version", "referee"):
            continue
        if name not in known:
            raise unknown("value of a configuration", name, known)
        if name not in ("detector", "control") or (name == "control" and value is not None):
            _like(known[name], value, name)
    if envs.identity(config["env"]) is None:
        raise BenchError(f"env is {shown(config['env'])}; allowed: the options of {', '.join(envs.ENVIRONMENTS)}")
    _detector(config["detector"], trusted)


def cell(row: pd.Series, trusted: frozenset[str]) -> dict[str, str]:
    """The choices that a leaderboard's row names, as names and values of a command's words."""
    detectors = [*options.names("detector"), *own_options("detector"), *(
        name for name, point in plugins.offered("detector").items() if plugins.belongs(plugins.target(point), trusted))]
    found = {"detector": _named("detector", row["detector"], detectors), "seed": str(_seed(row["seed"]))}
    for group in ("attack", "algo"):
        found[group] = _named(group, row[group], [*options.names(group), *own_options(group)])
    if pd.notna(row.get("response")):
        found["response"] = _named("response", row["response"], options.names("response"))
    if pd.notna(row.get("defender")):
        found["defender"] = _named("defender", row["defender"], DEFENDERS)
    environment, options_of_it = envs.named(str(row["env"]))
    return found | {"env": environment.name} | {f"env.{name}": value for name, value in options_of_it.items()}


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


def _seed(seed: Any) -> int:
    if isinstance(seed, bool) or not pd.api.types.is_integer(seed) or int(seed) not in SEEDS:
        raise BenchError(f"seed is {shown(seed)}; allowed: {SEEDS[0]} to {SEEDS[-1]}")
    return int(seed)


def _choice(group: str, node: Any) -> str:
    """The option of a group that a configuration's node is of."""
    if not isinstance(node, Mapping):
        raise BenchError(f"{group} is {shown(node)}; it must be an option's values with its name")
    allowed = [*options.names(group), *own_options(group)]
    name = node.get("name")
    if isinstance(name, str) and NAME.fullmatch(name) and name not in allowed:
        raise NotHere(f"{NO_COMMAND}: {unknown(group, name, allowed)}; "
                      "does it come from a folder of its own (--config-dir)?")
    return _named(group, name, allowed)


def _named(group: str, name: Any, allowed: Any) -> str:
    if not isinstance(name, str) or name not in allowed:
        raise unknown(group, name, allowed)
    return name


def _like(known: Any, found: Any, place: str, part: Callable[[str, Any], bool] = lambda *_: False) -> None:
    """Raise BenchError unless a value can stand where an option has ``known``: the same classes in the same places, no
    name that is not there, and text only in the place of text. ``part(place, value)`` lets others pass."""
    if part(place, found):
        return
    if isinstance(known, Mapping):
        if not isinstance(found, Mapping):
            raise BenchError(f"{place} is {shown(found)}; needed is a table of {', '.join(known)}")
        if known.get("_target_") != found.get("_target_"):
            raise _foreign(place, found.get("_target_"), own=_of_an_option)
        if str(known.get("_target_", "")).startswith("hydra.") and known != found:
            raise BenchError(f"{place} is {shown(found)}; allowed: {known}")
        for name, value in found.items():
            if name not in known:
                raise unknown(f"value of {place}", name, known)
            _like(known[name], value, f"{place}.{name}", part)
    elif isinstance(known, list) and any(isinstance(item, Mapping | list) for item in known):
        if not isinstance(found, list) or len(found) != len(known):
            raise BenchError(f"{place} is {shown(found)}; needed is a list of {len(known)}")
        for one, other in zip(known, found, strict=True):
            _like(one, other, place, part)
    else:
        values, allowed = (value if isinstance(value, list) else [value] for value in (found, known))
        if any(isinstance(value, Mapping | list) for value in values):
            raise BenchError(f"{place} is {shown(found)}; allowed is a plain value such as {known}")
        if any(isinstance(value, str) for value in values) and not any(isinstance(v, str | None) for v in allowed):
            raise BenchError(f"{place} is '{shown(found)}'; allowed is a number such as {known}")


def _detector(node: Any, trusted: frozenset[str]) -> None:
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise NotHere(f"{NO_COMMAND}: it has no detector")
    target = node["_target_"]
    if plugins.belongs(target, trusted):
        return _free(node, "detector", trusted)
    shipped = [plain(option("detector", name)) for name in options.names("detector")]
    alike = [known for known in (*shipped, *own_options("detector").values()) if known.get("_target_") == target]
    errors: list[BenchError] = []
    for known in alike:
        try:
            return _like(known, node, "detector", lambda place, found: _part(place, found, trusted))
        except BenchError as error:
            errors.append(error)
    raise errors[0] if errors else _foreign("detector", target)


def _part(place: str, node: Any, trusted: frozenset[str]) -> bool:
    """Whether a part of a detector is an estimator that anybody may choose, a shipped view, or of a package that the
    user named."""
    if place not in ("detector.estimator", "detector.view") or not isinstance(node, Mapping):
        return False
    target = node.get("_target_")
    if plugins.belongs(target, trusted) or (place == "detector.estimator" and target in ESTIMATORS):
        _free(node, place, trusted)
        return True
    return place == "detector.view" and _view(node, place)


def _view(node: Any, place: str) -> bool:
    """Whether a view is like one of the shipped options, whatever shipped view is within it."""
    for known in (plain(option("view", name)) for name in options.names("view")):
        if isinstance(node, Mapping) and known["_target_"] == node.get("_target_"):
            _like(known, node, place, lambda inner, found: inner == f"{place}.view" and _view(found, inner))
            return True
    return False


def _free(node: Mapping[str, Any], place: str, trusted: frozenset[str]) -> None:
    """Raise BenchError unless all that a class is made with are plain values, and a detector's view and estimator."""
    for name, value in node.items():
        inner = f"{place}.{name}"
        if name == "_target_" or _part(inner, value, trusted):
            continue
        require_plain({name: value}, place, KEY, endless=True)
        for target in targets(value):
            raise _foreign(inner, target)
        if "_args_" in _names({name: value}):
            raise BenchError(f"{inner} is {shown(value)}; allowed are plain values by their names")


def _names(value: Any) -> set[str]:
    """All names in a value."""
    if isinstance(value, Mapping):
        return set(value).union(*map(_names, value.values()))
    return set().union(*map(_names, value)) if isinstance(value, list) else set()


def _of_an_option(target: str) -> bool:
    """Whether a class is that of some shipped trigger, payload or retraining."""
    return any(siblings.recorded(options.target(group, name) or "") == target
               for group in ("trigger", "payload", "retraining", "backdoor") for name in options.names(group))


def _foreign(place: str, target: Any, own: Callable[[str], bool] | None = None) -> BenchError:
    """The error for a class that a file must not name there. A class may be the author's own where it is a detector's,
    or where ``own`` says so."""
    text = f"{place} names the class {shown(target)}"
    package = str(target).partition(".")[0]
    sane = isinstance(target, str) and CLASS.fullmatch(target) and package not in sys.stdlib_module_names
    if sane and place.startswith("detector"):
        return NotHere(f"{NO_COMMAND}: {text}; was it handed over as an object? A file may name a class of another "
                       f"package only if you say that you trust it, plugin=[{package}]")
    if sane and own is not None and own(target):
        return NotHere(f"{NO_COMMAND}: {text}, which is not its option's")
    return BenchError(f"{text}; in a file only the detector's classes may be others than those of its options")
