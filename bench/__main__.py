"""The command line: ``python -m bench COMMAND [overrides]``, or ``marl-backdoor-bench`` where this is installed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import textwrap
from collections.abc import Mapping
from typing import NoReturn

from bench import __version__, children, commands, interrupts, options, plugins, terminal
from bench.errors import BenchError, unknown

WIDTH = 120  # of the help
GROUPS = {"attack": "attacks", "detector": "detectors", "view": "views of detectors",
          "model_detector": "model detectors", "env": "environments", "algo": "algorithms", "budget": "budgets",
          "response": "responses to alarms", "repair": "repairs", "sweep": "sweeps"}


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 after a user's mistake (one line on stderr), 130 after Ctrl-C."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] == "--version":
        print(f"marl-backdoor-bench {__version__}")
        return 0
    try:
        if not arguments or arguments[0] in ("-h", "--help", "help"):
            print(help_text())
            return 0
        if arguments[0] not in commands.NAMES:
            raise unknown("command", arguments[0], commands.NAMES)
        from bench.commands.launch import launch

        module = commands.module(arguments[0])
        launch(arguments[0], module.main, module.COMMAND.read(arguments[1:]), module.COMMAND.plays)
    except (BenchError, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) or interrupts.asked():  # some code makes other errors of an interrupt
            print(interrupts.SAID, file=sys.stderr)
            return interrupts.CODE
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


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
    lines += _entries({name: commands.module(name).COMMAND.help for name in commands.NAMES})
    for group, title in GROUPS.items():
        lines += ["", f"{title} ({group}=...):"]
        lines += _entries({name: options.summary(group, name) for name in options.names(group)})
        if group in plugins.GROUPS:
            lines += _entries({name: f"{plugins.target(point)}, from the package {plugins.package(point)}"
                               for name, point in sorted(plugins.offered(group).items())})
    lines += ["", "example: python -m bench run attack=spatiotemporal detector=isoforest algo=qmix",
              "your own: python -m bench run detector._target_=PACKAGE.CLASS (or --config-dir DIR detector=NAME)"]
    return "\n".join(lines)


def start() -> NoReturn:
    """Be the process of a command: streams, signals and the exit code are its own. Ends the process."""
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


def console() -> NoReturn:
    """The installed script ``marl-backdoor-bench``: the same as ``python -m bench``.

    That one finds a user's own modules in the folder that it is called in. Python looks in a script's own folder
    instead.
    """
    if not sys.flags.safe_path:
        with contextlib.suppress(OSError):  # the folder is gone
            sys.path[0] = os.getcwd()
    start()


if __name__ == "__main__":
    start()
