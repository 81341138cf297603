"""The commands, one small module each: ``COMMAND`` says what it is and how arguments are read, ``main(cfg)`` does it.

No heavy import, neither here nor at the top of a command's module: ``--help`` loads them all.
"""

from __future__ import annotations

import importlib
import keyword
from collections.abc import Callable
from typing import Any, NamedTuple

NAMES = ("run", "train", "inject", "check", "export", "models", "dev", "hidden", "leaderboard", "reproduce", "submit",
         "report", "sweep", "repair", "adapt", "accidents", "patterns", "stealth", "shifts", "figures", "verify", "zoo",
         "import", "race", "perf", "doctor")
KINDS = {  # of --help
    "measure": ("run", "sweep", "models", "dev", "hidden", "leaderboard", "reproduce", "submit"),
    "teams": ("train", "inject", "zoo", "import", "verify", "repair", "adapt"),
    "look closer": ("report", "figures", "stealth", "accidents", "patterns", "shifts", "export"),
    "your own, and this machine": ("check", "doctor", "perf", "race"),
}
EXAMPLES = {  # of each command: what may follow its name
    "run": ("attack=scripted detector=bigram", "-m algo=vdn,qmix detector=isoforest,isoforest_window"),
    "train": ("algo=qmix seed=3",),
    "inject": ("attack=trojdrl seed=3",),
    "check": ("sentinel", "PACKAGE.CLASS", "environment env.map=3m", "attack attack=trojdrl env.map=3m"),
    "export": ("attack=marnet", "attack=marnet labels=true record=[hidden] format=parquet"),
    "models": ("model_detector=weight_difference", "holdout=DIR"),
    "dev": ("isoforest", "detector._target_=PACKAGE.CLASS"),
    "hidden": ("isoforest referee=FILE",),
    "leaderboard": ("--show", "--show algo=qmix", "'attack=told,trojdrl*' detector=isoforest"),
    "reproduce": ("ROW_ID",),
    "submit": ("RESULT.json", "RESULT.json plugin=[PACKAGE]"),
    "report": ("RUN",),
    "sweep": ("sweep=bounds out=DIR",),
    "repair": ("prune repair.share=0.4", "PACKAGE.CLASS"),
    "adapt": ("isoforest attack=backdoorl adapt.inject=false",),
    "accidents": ("attack=one4all",),
    "patterns": ("env.opponent=skirmish attack=natural",),
    "stealth": ("attack=trojdrl", "zoo only=trojdrl"),
    "shifts": ("attack=scripted shifts=noise",),
    "figures": ("algo=qmix",),
    "verify": ("only=temporal", "team=FILE"),
    "zoo": ("list", "build only=clean"),
    "import": ("pymarl DIR env=NAME env.map=3m",),
    "race": ("PATH race.seeds=3",),
    "perf": ("env.map=3m",),
    "doctor": ("", "env=NAME"),
}


class Command(NamedTuple):  # dataclasses take as long to import as all commands
    """What a command is, before its configuration is composed."""

    help: str  # its line of --help
    read: Callable[[list[str]], list[str]] = list  # what follows the command's name -> arguments of the configuration
    plays: bool = True  # whether it may play battles itself: torch is loaded and tuned for that
    more: str = ""  # sentences that follow the line in the command's own help


def module(name: str) -> Any:
    """A command's module, with ``COMMAND`` and ``main``; ``import_`` for a command whose name is a word of Python's."""
    return importlib.import_module(f"bench.commands.{name}{'_' * keyword.iskeyword(name)}")


def subject(arguments: list[str], value: Callable[[str], str]) -> list[str]:
    """The arguments, the first of which may be the command's subject alone: ``value`` makes NAME=VALUE of it."""
    if arguments and "=" not in arguments[0] and not arguments[0].startswith(("-", "~")):
        return [value(arguments[0]), *arguments[1:]]
    return arguments
