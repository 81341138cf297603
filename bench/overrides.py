"""The overrides of a configuration, NAME=VALUE, before Hydra reads them, and what is wrong with one that it refuses.

Hydra knows neither which names there are to be nor that some values are paths; its advice ("to append, use +") leads
users of a benchmark astray, for a value that is added changes nothing but the configuration's hash.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from bench import compat, options
from bench.errors import BenchError, unknown

# Values that are taken as they are typed.
PATHS = ("out", "leaderboard", "store", "holdout", "team", "result", "jaxmarl", "referee", "clean", "pymarl.folder",
         "pymarl.config")
LONGEST = 255  # bytes of a file's name, on nearly every system
# What values may be added to: a class takes them, or refuses them before anything is made; elsewhere they do nothing.
OPEN = ("detector", "view", "model_detector", "env", "attack", "algo", "sweep", "repair", "response")
NULLABLE = ("view", "sweep")  # groups of which no option need be chosen
_OVERRIDE = re.compile(r"(?P<sign>~|\+\+|\+)?(?P<name>[^=]*)(?:=(?P<value>.*))?", re.DOTALL)
_NO_OVERRIDE = "is no NAME=VALUE of a configuration"


def one_of(value: str, patterns: object) -> bool:
    """Whether a value is among some values or patterns, such as "told,trojdrl*"."""
    return any(fnmatchcase(value, pattern) for pattern in str(patterns).split(","))


def prepared(overrides: Sequence[str], command: str = "run") -> list[str]:
    """Overrides as Hydra has to be told them: the command first, if it has values of its own; paths quoted, "~" in them
    expanded. Flags and what follows them stay.

    Raises BenchError for a name that the command's configuration does not have, and for a value that is missing.
    """
    sweep = not {"-m", "--multirun"}.isdisjoint(overrides)
    return _own(command) + [_prepared(one, command, sweep) if re.match(r"~[^/]|=|[^-].*=", one, re.DOTALL) else one
                            for one in overrides]


def _own(command: str) -> list[str]:
    """The override that brings the values which a command alone has, if there are any."""
    return [f"command={command}"] if command in options.names("command") else []


def _prepared(override: str, command: str, sweep: bool) -> str:
    sign, name, value = _split(override)
    top = re.split(r"[.@/:]", name)[0]
    if not name:
        raise BenchError(f"'{override}' {_NO_OVERRIDE}")
    if top not in (known := options.top(command)):
        whose = [one for one in options.names("command") if top in options.top(one)]
        raise BenchError(f"{top} is of the command {' and '.join(whose)}; {command} has no such value") if whose else \
            unknown("option or value", name, known)
    if sign == "~" and top not in OPEN:
        raise BenchError(f"~{name}: {name} cannot be taken away; give it another value ({name}=VALUE)")
    if value == "" and sign != "~":
        raise BenchError(f"{name} is empty; a value is needed (null for none, where none is allowed)")
    if value is not None:
        _check_choice(name, value)
    if sign.startswith("+") and "." in name and top not in OPEN:
        _check_added(name, command)
    if name not in PATHS or value is None or value == "null" or (sweep and "," in value):
        return override
    return f"{sign}{name}={options.quoted(_path(name, value, command))}"


def _check_choice(name: str, value: str) -> None:
    """Raise BenchError for a group's option that cannot be the name of one."""
    group, _, package = name.partition("@")
    if group not in options.groups() or (value == "null" and (package or group in NULLABLE)):
        return
    if value[0] in "[{" or value == "null" or value.isdigit():
        raise unknown(name, value, options.names(group))


def _check_added(name: str, command: str) -> None:
    """Raise BenchError for a value that is added where nothing reads it."""
    parent, _, _ = name.rpartition(".")
    node = _node(parent, _own(command))
    names = [f"{parent}.{key}" for key in node] if isinstance(node, Mapping) else []
    if name not in names:
        raise unknown("value", name, names)


def _path(name: str, value: str, command: str) -> str:
    """A path as it was meant: without quotes of Hydra's, "~" being the home folder. BenchError for one that cannot be.
    """
    mark = value[0]
    if mark in "'\"" and len(value) > 1 and value[-1] == mark:
        value = re.sub(rf"(\\+)({mark}|$)", lambda found: found[1][: len(found[1]) // 2] + found[2], value[1:-1])
    value = os.path.expanduser(value)
    inner = re.sub(r"(?<!\\)\$\{(\w+)\}", lambda found: "" if found[1] in options.top(command) else found[0], value)
    if re.search(r"(?<!\\)\$\{", inner):
        raise BenchError(f"{name} is '{value}', where ${{NAME}} stands for another value of the configuration; write "
                         "\\${ for the characters themselves")
    for part in value.split("/"):
        if (length := len(os.fsencode(part))) > LONGEST:
            raise BenchError(f"{name} has a part of {length} bytes, '{part[:30]}...'; allowed: {LONGEST} at most")
    if odd := next((letter for letter in value if not letter.isprintable() and not "\udc80" <= letter <= "\udcff"), ""):
        raise BenchError(f"{name} is {value!r}; allowed: paths without {odd!r}")
    return value


def _split(override: str) -> tuple[str, str, str | None]:
    """An override's sign ("+", "++", "~" or none), name, and value if it has one."""
    found = _OVERRIDE.fullmatch(override)
    assert found is not None
    return found["sign"] or "", found["name"], found["value"]


def explained(error: BaseException, overrides: Iterable[str] = (), command_line: bool = True) -> BenchError:
    """What is wrong with overrides that Hydra refused, in one line with the nearest allowed name.
    Off the command line no flag of it is advised."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, BenchError):
        cause = cause.__cause__
    if cause is not None:
        return cause
    allowed = getattr(error, "options", None)  # of hydra.errors.MissingConfigException
    if allowed:
        group, _, name = str(getattr(error, "missing_cfg_file", "")).rpartition("/")
        return unknown(group, name, allowed)
    text = str(error)
    if found := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.*?)'(?:$|\n| requires)", text):
        advice = f"-m runs one after the other: python -m bench run -m {found[1]}" if command_line else \
            "one at a time is measured"
        return BenchError(f"{found[1]} gives several values; {advice} (for a single value that has commas, "
                          "quote it: NAME=\"'a,b'\")")
    if found := re.match(r"Could not (?:override|delete from config\.) '([^']+)'", text):
        return _unknown(found[1], overrides)
    if found := re.match(r"Could not append to config. An item is already at '([^']+)'|Multiple values for ([^.]+)\.",
                         text):
        name = found[1] or found[2]
        return BenchError(f"+{name}=...: there is a value '{name}' already; leave the + away")
    if type(error).__name__ in ("OverrideParseException", "HydraException") or "LexerNoViableAlt" in text:
        return _unreadable(text, overrides)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return BenchError("; ".join(lines[:3]) or type(error).__name__)


def _unreadable(text: str, overrides: Iterable[str]) -> BenchError:
    """The error for an override that is not written as Hydra's grammar has it."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    for override in overrides:
        try:
            OverridesParser.create().parse_override(override)
        except HydraException:
            sign, name, value = _split(override)
            if not value:
                return BenchError(f"'{override}' {_NO_OVERRIDE}")
            return BenchError(f"the value of '{override}' cannot be read; with special characters it has to be quoted: "
                              f"\"{sign}{name}={options.quoted(value)}\"")
    return BenchError("; ".join(line.strip() for line in text.splitlines()[:2]))


def _unknown(name: str, overrides: Iterable[str]) -> BenchError:
    """The error for a dotted name that the configuration does not have, with the names that are there in its place."""
    if "@" in name:
        return unknown("option", name, ["attack", "attack@control"])
    parent, _, _ = name.rpartition(".")
    if not parent:
        return BenchError(f"there is no value '{name}'")
    hint = ""
    if parent.split(".")[0] == "detector":
        hint = f"; a parameter of the class that its option does not set is added by +{name}=VALUE"
    node = _node(parent, [override for override in overrides if _split(override)[1] != name])
    if not isinstance(node, Mapping):
        return BenchError(f"there is no value '{name}'{hint}")
    return BenchError(f"{unknown('value', name, [f'{parent}.{key}' for key in node])}{hint}")


def _node(path: str, overrides: list[str]) -> Any:
    """What the overrides of a command line have at a dotted name, None if that cannot be said."""
    import contextlib

    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    ready = GlobalHydra.instance().is_initialized()
    given = [override for override in overrides if re.match(r"~[^/]|[^-].*=", override, re.DOTALL)]
    with contextlib.nullcontext() if ready else initialize_config_module(options.FOLDER, **compat.VERSION):
        try:
            node = OmegaConf.select(compose("config", given), path)
            return node if node is None else OmegaConf.to_container(node, resolve=False)
        except Exception:  # the other overrides are wrong, too
            return None
