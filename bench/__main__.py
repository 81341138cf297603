"""The command line: ``python -m bench COMMAND [overrides]``."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import textwrap
from collections.abc import Mapping

from bench import __version__, children, interrupts, options, plugins, terminal
from bench.errors import BenchError, unknown

COMMANDS = {
    "run": "measure an attack and a detector; makes the teams first if none is there",
    "train": "train a clean team",
    "inject": "put the attack into a clean team",
    "check": "see whether a detector keeps the contract (check PACKAGE.CLASS, check NAME)",
    "export": "write the public episodes for work offline, and on request their labels",
    "models": "judge whole teams: is this checkpoint backdoored? the shipped ones, or a folder (models holdout=DIR)",
    "leaderboard": "measure the missing cells of the leaderboard, or print the ranking (leaderboard --show)",
    "reproduce": "measure a row of the leaderboard again (reproduce ROW_ID)",
    "submit": "check a result of one's own, measure it again and add it to the leaderboard (submit RESULT.json)",
    "report": "write a run as one HTML file with curves and battles (report RUN)",
    "sweep": "measure a grid of cells, one process a core, and make one table of them",
    "repair": "repair a backdoored team, and measure what the attack and the team are worth then (repair prune)",
    "accidents": "count how often the trigger completes by itself",
    "patterns": "count which sequences of outsiders' moves play contains anyway",
    "figures": "draw learning curves, what the clean agents do, and a replay of a battle",
    "verify": "check the shipped checkpoints' hashes and measure a stored figure again",
    "zoo": "list, build or publish the shipped checkpoints (zoo list, zoo build, zoo publish)",
    "race": "train to a win rate beside JaxMARL's own script (race PATH_OF_A_CHECKOUT)",
    "perf": "measure the speed of play and training beside bare SMAX",
}
SUBJECTS = {  # commands whose first word may be their subject alone: the word -> the value it stands for
    "zoo": lambda word: f"zoo={word}",
    "check": lambda word: f"detector._target_={word}" if "." in word else f"detector={word}",
    "repair": lambda word: f"repair={word}",
    "race": lambda word: f"jaxmarl={options.quoted(word)}",
    "reproduce": lambda word: f"row={options.quoted(word)}",  # quoted: an id may look like a number
    "submit": lambda word: f"result={options.quoted(word)}",
    "report": lambda word: f"result={options.quoted(word)}",
}
SHIPPED = ["out=results/leaderboard", "leaderboard=leaderboard/leaderboard.csv"]  # of the shipped leaderboard
RACE = ["env.opponent=closest"]  # SMAX's default opponent
WIDTH = 120  # of the help
GROUPS = {"attack": "attacks", "detector": "detectors", "view": "views of detectors",
          "model_detector": "model detectors", "env": "environments", "algo": "algorithms", "budget": "budgets",
          "response": "responses to alarms", "repair": "repairs", "sweep": "sweeps"}


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 after a user's mistake (one line on stderr), 130 after Ctrl-C."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] == "--version":
        print(f"marl-backdoor-bench {__version__}")
        return 0
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            print(help_text())
            return 0
        if words[0] not in COMMANDS:
            raise unknown("command", words[0], COMMANDS)
        from bench.commands import launch

        rest = words[1:]
        if words[0] in SUBJECTS and rest and "=" not in rest[0] and not rest[0].startswith(("-", "~")):
            rest[0] = SUBJECTS[words[0]](rest[0])
        if words[0] == "leaderboard":
            rest = [_choice(word) for word in rest]
        if words[0] in ("leaderboard", "reproduce", "submit"):
            rest = SHIPPED + rest
        if words[0] == "race":
            rest = RACE + rest
        launch(importlib.import_module(f"bench.commands.{words[0]}").main, rest, plays=words[0] != "zoo")
    except (BenchError, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) or interrupts.asked():  # some code makes other errors of an interrupt
            print(interrupts.SAID, file=sys.stderr)
            return interrupts.CODE
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _choice(word: str) -> str:
    """A word of ``leaderboard``, where ``attack=told,trojdrl*`` chooses among its cells and several may be named."""
    name, _, value = word.partition("=")
    if name in ("attack", "detector", "algo", "seed"):
        return f"cells.{name}='{value}'"
    return "show=true" if word == "--show" else word


def _entries(what: Mapping[str, str]) -> list[str]:
    """Lines of names and what they are, none longer than WIDTH."""
    return [line for name, text in what.items()
            for line in textwrap.wrap(text, WIDTH, initial_indent=f"  {name:<21} ", subsequent_indent=" " * 24,
                                      break_long_words=False, break_on_hyphens=False)]


def help_text() -> str:
    """Commands, and the options of each group with the comments that their files open with."""
    lines = ["usage: python -m bench COMMAND [GROUP=OPTION] [NAME=VALUE] ...", "",
             "Measures backdoor attacks on, and backdoor detectors for, cooperative multi-agent RL teams.", "",
             "commands (python -m bench COMMAND --cfg job shows all values):"]
    lines += _entries(COMMANDS)
    for group, title in GROUPS.items():
        lines += ["", f"{title} ({group}=...):"]
        lines += _entries({name: options.summary(group, name) for name in options.names(group)})
        if group == "detector":
            lines += _entries({name: f"{plugins.target(point)}, from the package {plugins.package(point)}"
                               for name, point in sorted(plugins.detectors().items())})
    lines += ["", "example: python -m bench run attack=spatiotemporal detector=isoforest algo=qmix",
              "your own: python -m bench run detector._target_=PACKAGE.CLASS (or --config-dir DIR detector=NAME)"]
    return "\n".join(lines)


if __name__ == "__main__":
    children.follow_parent()
    interrupts.install()
    terminal.settle()
    code = terminal.ended(main())
    if interrupts.asked():  # Python's own end can take seconds, with JAX and torch loaded
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    for number in (signal.SIGINT, signal.SIGTERM):  # it is over: nothing is left to be interrupted
        signal.signal(number, signal.SIG_IGN)
    sys.exit(code)
