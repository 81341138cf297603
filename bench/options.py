"""The options of the configuration groups, and what is wrong with a choice among them: no heavy import, for --help."""

from __future__ import annotations

import re
from importlib import resources

from bench.errors import BenchError, unknown


def names(group: str) -> list[str]:
    """The options of a group."""
    files = (file.name for file in resources.files("bench.conf").joinpath(group).iterdir())
    return sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml"))


def text(group: str, name: str) -> str:
    """An option's file."""
    return resources.files("bench.conf").joinpath(group, f"{name}.yaml").read_text()


def summary(group: str, name: str) -> str:
    """What an option is: the comment that its file opens with."""
    return text(group, name).splitlines()[0].lstrip("# ")


def target(group: str, name: str) -> str | None:
    """The class that an option's file names, if it names one itself."""
    found = re.search(r"^_target_: *(\S+)", text(group, name), re.MULTILINE)
    return found and found[1]


def default(group: str) -> str:
    """The option that is taken where none is chosen."""
    defaults = resources.files("bench.conf").joinpath("config.yaml").read_text()
    found = re.search(rf"^  - {group}: *(\S+)", defaults, re.MULTILINE)
    assert found is not None, f"conf/config.yaml has no default of {group}"
    return found[1]


def said(error: BaseException) -> BenchError:
    """What Hydra says is wrong with the words of a configuration, in one line with the nearest allowed name."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, BenchError):
        cause = cause.__cause__
    if cause is not None:
        return cause
    allowed = getattr(error, "options", None)  # of hydra.errors.MissingConfigException
    if allowed:
        group, _, name = str(getattr(error, "missing_cfg_file", "")).rpartition("/")
        return unknown(group, name, allowed)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return BenchError("; ".join(line for line in lines[:3] if not line.startswith("See https"))
                      or type(error).__name__)
