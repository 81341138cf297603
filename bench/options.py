"""The options of the configuration groups, and how a value is written: no heavy import, for --help."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from itertools import takewhile
from typing import Any

FOLDER = "bench.conf"  # the package that holds them


def names(group: str) -> list[str]:
    """The options of a group."""
    files = (file.name for file in resources.files(FOLDER).joinpath(group).iterdir())
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


def text(group: str, name: str) -> str:
    """An option's file."""
    return resources.files(FOLDER).joinpath(group, f"{name}.yaml").read_text(encoding="utf-8")


def values(group: str, name: str) -> dict[str, Any]:
    """What an option's file says, where it asks for a budget that of ``budget=standard``."""
    import yaml

    budget = yaml.safe_load(text("budget", "standard"))
    return yaml.safe_load(re.sub(r"\$\{budget\.(\w+)\}", lambda asked: str(budget[asked[1]]), text(group, name)))


def summary(group: str, name: str) -> str:
    """What an option is: the comment that its file opens with, all lines of it."""
    comment = takewhile(lambda line: line.startswith("#"), text(group, name).splitlines())
    return " ".join(line.lstrip("# ") for line in comment)


def target(group: str, name: str) -> str | None:
    """The class that an option's file names, if it names one itself."""
    found = re.search(r"^_target_: *(\S+)", text(group, name), re.MULTILINE)
    return found and found[1]


def view(detector: str) -> str | None:
    """The view that a shipped detector's file chooses, if it takes one."""
    found = re.search(r"^  - override /view@_global_\.view: *(\S+)", text("detector", detector), re.MULTILINE)
    return found and found[1]


def classes(*groups: str) -> set[str]:
    """The classes and functions that files of these groups name, those of parts and those named by a path among them.
    """
    return {name for group in groups for option in names(group)
            for name in re.findall(r"\b(?:_target_|path): *([\w.]+)", text(group, option))}


def default(group: str) -> str:
    """The option that is taken where none is chosen."""
    defaults = resources.files(FOLDER).joinpath("config.yaml").read_text(encoding="utf-8")
    found = re.search(rf"^  - {group}: *(\S+)", defaults, re.MULTILINE)
    assert found is not None, f"conf/config.yaml has no default of {group}"
    return found[1]


@cache
def top(command: str | None = None) -> list[str]:
    """The names that a word of a command's configuration may begin with: its groups and its values, and Hydra's."""
    config = resources.files(FOLDER).joinpath("config.yaml").read_text(encoding="utf-8")
    own = {name: text("command", name) for name in names("command")}
    mine = own.get(command or "", "")
    choosing = re.compile(r"^  - /(\w+):", re.MULTILINE)  # a group that is of some commands alone
    others = {group for file in own.values() for group in choosing.findall(file)} - set(choosing.findall(mine))
    found = {*groups(), *re.findall(r"^(\w+):", f"{config}\n{mine}", re.MULTILINE)}
    return sorted(found - others - {"defaults", "cell", "command"})  # a cell is made of the others


@cache
def groups() -> list[str]:
    """The configuration groups."""
    return sorted(entry.name for entry in resources.files(FOLDER).iterdir()
                  if entry.is_dir() and not entry.name.startswith("_"))


def quoted(value: str) -> str:
    """A text as Hydra's grammar has it, whatever is in it."""
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value) + "'"
