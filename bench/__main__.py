"""The command line: ``python -m bench COMMAND [overrides]``, or ``marl-backdoor-bench`` where this is installed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import textwrap
from collections.abc import Mapping
from typing import Any, NoReturn

from bench import __version__, children, commands, interrupts, options, plugins, terminal
from bench.errors import BenchError, unknown

WIDTH = 120  # of the help
HELP = ("-h", "--help", "help")
GROUPS = {"attack": "attacks", "detector": "detectors", "view": "views of detectors",
          "model_detector": "model detectors", "env": "environments", "algo": "algorithms", "budget": "budgets",
          "response": "responses to alarms", "repair": "repairs", "sweep": "sweeps", "trigger": "triggers of attacks",
          "payload": "payloads of attacks", "shift": "benign shifts", "executor": "engines that run jobs"}
# How an option of a group is chosen, where not by the group's name:
WRITTEN = {"trigger": "trigger@attack.trigger", "payload": "payload@attack.payload", "shift": "shifts"}


def main(argv: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 after a user's mistake (one line on stderr), 130 after Ctrl-C."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments and arguments[0] == "--version":
        print(f"marl-backdoor-bench {__version__}")
        return 0
    try:
        if not arguments or arguments[0] in HELP:
            print(helped(arguments[1:]))
            return 0
        if arguments[0] not in commands.NAMES:
            raise unknown("command", arguments[0], commands.NAMES)
        if not {"-h", "--help"}.isdisjoint(arguments[1:]):
            print(of_command(arguments[0]))
            return 0
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


def helped(words: list[str]) -> str:
    """What ``help``, ``help COMMAND`` and ``help GROUP`` say."""
    if not words:
        return help_text()
    if words[0] in commands.NAMES:
        return of_command(words[0])
    if words[0] in GROUPS:
        return of_group(words[0])
    raise unknown("command or group", words[0], list(dict.fromkeys([*commands.NAMES, *GROUPS])))


def help_text() -> str:
    """Commands by kind, and the names of the options of each group."""
    lines = ["usage: python -m bench COMMAND [GROUP=OPTION] [NAME=VALUE] ...", "",
             "Measures backdoor attacks on, and backdoor detectors for, cooperative multi-agent RL teams."]
    for kind, names in commands.KINDS.items():
        lines += ["", f"{kind}:", *_entries({name: commands.module(name).COMMAND.help for name in names})]
    lines += ["", "groups and their options:"]
    lines += _entries({group: ", ".join([*options.names(group), *_of_packages(group)]) for group in GROUPS})
    lines += ["", "python -m bench help GROUP says what each option is, COMMAND --help how a command is used, and",
              "COMMAND --cfg job what all values are. The tutorial is docs/tutorial/first-run.md.",
              "example: python -m bench run attack=spatiotemporal detector=isoforest algo=qmix",
              "your own: python -m bench run detector._target_=PACKAGE.CLASS (or --config-dir DIR detector=NAME)"]
    return "\n".join(lines)


def of_command(name: str) -> str:
    """What a command does, examples, and the values that it alone has."""
    command = commands.module(name).COMMAND
    said = f"{command.help[0].upper()}{command.help[1:]}. {command.more}"
    lines = [*textwrap.wrap(said, WIDTH), "", "examples:",
             *(f"  python -m bench {name} {example}".rstrip() for example in commands.EXAMPLES[name])]
    if name in options.names("command"):
        own = options.text("command", name).splitlines()
        lines += ["", "its own values:", *(f"  {line}" for line in own if line and not line.startswith("#"))]
    lines += ["", f"python -m bench {name} --cfg job shows all values and does nothing; python -m bench --help lists "
                  "the groups."]
    return "\n".join(lines)


def of_group(group: str) -> str:
    """The options of a group with the comments that their files open with, and those of installed packages."""
    lines = [f"{GROUPS[group]} ({WRITTEN.get(group, group)}=...):", *_entries({name: options.summary(group, name)
                                                          for name in options.names(group)})]
    lines += _entries({name: f"{plugins.target(point)}, from the package {plugins.package(point)}"
                       for name, point in _of_packages(group).items()})
    return "\n".join(lines)


def _of_packages(group: str) -> dict[str, Any]:
    """The options of a group that installed packages offer: name -> entry point."""
    return dict(sorted(plugins.offered(group).items())) if group in plugins.GROUPS else {}


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
