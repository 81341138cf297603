"""Two pages of the documentation that are read from the code: ``python -m bench.reporting.reference``.

docs/reference/cli.md has every command, what it says of itself, the values that it alone has, and how words of its
command line are read. docs/reference/configuration.md has every option of ``conf``, its opening comment, its values and
their remarks. Nothing is composed and no heavy module is loaded.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bench import options
from bench.artifacts.files import write_atomic
from bench.errors import BenchError
from bench.reporting.docstrings import without_roles
from bench.reporting.markdown import grid

FOLDER = Path("docs/reference")
COMMANDS = "bench.commands"  # found by name: commands know this room, and not the other way round
APART = ("budget", "command")  # groups that are shown as one table, and with the commands
PACKAGE = re.compile(r"^# @package.*\n", re.MULTILINE)  # for Hydra alone
RAISES = re.compile(r"Raises \w+Error")  # which is a line of the terminal there


class Value(NamedTuple):
    """A value of a file of ``conf``: its dotted name, its default as the file writes it, and the remark behind it."""

    name: str
    default: str
    remark: str


def pages(commands: Any) -> dict[Path, str]:
    """Both pages, by their files. ``commands`` is the package of the commands (``NAMES``, ``EXAMPLES``,
    ``module``)."""
    return {FOLDER / "cli.md": cli(commands), FOLDER / "configuration.md": configuration()}


def cli(commands: Any) -> str:
    """The page of the commands."""
    modules = {name: commands.module(name) for name in commands.NAMES}
    overview = [[f"[`{name}`](#{name})", _cell(module.COMMAND.help)] for name, module in modules.items()]
    return "\n\n".join([
        "# Commands",
        "Generated from `bench/commands/` by `python -m bench.reporting.reference`.",
        "`python -m bench COMMAND [GROUP=OPTION] [NAME=VALUE] ...`. An override `GROUP=OPTION` chooses a file of "
        "`conf/GROUP/`, `NAME=VALUE` sets a value ([configuration](configuration.md)). Flags: `--help`, `--version`, "
        "`--cfg job` prints the whole configuration and does nothing, `--config-dir DIR` adds a folder of options, "
        "`-m` runs every combination of values with commas between. The exit code is 0, 2 after a mistake (one line "
        "says which; `BENCH_DEBUG=1` shows where), 130 after Ctrl-C.",
        grid(["command", "what it does"], overview),
        *(_command(name, module, commands.EXAMPLES[name]) for name, module in modules.items())]) + "\n"


def _command(name: str, module: Any, examples: Sequence[str]) -> str:
    """A command's section."""
    does = _plain(inspect.getdoc(module.main) or "")
    parts = [f"## {name}", _sentence(module.COMMAND.help), RAISES.sub("Fails", does)]
    if name in options.names("command"):
        groups = re.findall(r"^  - /(\w+(?:@[\w.]+)?): *(\w+)", options.text("command", name), re.MULTILINE)
        parts += [f"It has the group `{group}`, by default `{option}`." for group, option in groups]
        parts += [_values(found)] if (found := values("command", name)) else []
    lines = [[f"`{' '.join(filter(None, ['python -m bench', name, example]))}`", _read(module.COMMAND, example)]
             for example in examples]
    return "\n\n".join([*parts, grid(["example", "its words are read as"], lines)])


def _read(command: Any, example: str) -> str:
    """What a command makes of its words: as they are, or other ones. What it refuses is said in its own words."""
    given = shlex.split(example)
    try:
        found = command.read(given)
    except BenchError as error:
        return _cell(str(error))
    return "as they are" if found == given else " ".join(f"`{_cell(word)}`" for word in found)


def configuration() -> str:
    """The page of the configuration."""
    top = [value for value in _of_file("config.yaml") if not value.name.startswith(("cell", "hydra"))]
    parts = [
        "# Configuration",
        "Generated from `conf/` by `python -m bench.reporting.reference`.",
        "A file of `conf/GROUP/` is an option, `GROUP=OPTION` on the command line; `GROUP.NAME=VALUE` gives one of its "
        "values another default. A value that an option does not set and its class takes is added by "
        "`+GROUP.NAME=VALUE`. `${...}` stands for another value. *Built on* names the options that a file begins "
        "with: their values hold where it has none of its own. Values of single commands stand with the "
        "[commands](cli.md).",
        "## What is chosen where nothing is said", grid(["group", "option", "remark"], _chosen()),
        "## Values that are no group", _values(top),
        "## budget", _budgets()]
    for group in options.groups():
        if group not in APART:
            parts += [f"## {group}", *(_option(group, name) for name in options.names(group))]
    return "\n\n".join(parts) + "\n"


def _chosen() -> list[list[str]]:
    """The groups of conf/config.yaml, what is chosen of each, and the remark there."""
    lines = re.findall(r"^  - ([\w@]+): *(\w+) *(?:# *(.*))?$", _source("config.yaml"), re.MULTILINE)
    return [[f"`{group}`", f"`{option}`", _cell(remark)] for group, option, remark in lines if group != "command"]


def _budgets() -> str:
    """All budgets side by side, the default first."""
    first = options.default("budget")
    names = [first, *(name for name in options.names("budget") if name != first)]
    tables = {name: {value.name: value for value in values("budget", name)} for name in names}
    lines = []
    for value in tables[first].values():
        each = [tables[name][value.name] for name in names]
        remarks = [one.remark if name == first else f"{name}: {one.remark}"
                   for name, one in zip(names, each, strict=True)
                   if one.remark and (name == first or one.remark != value.remark)]
        lines.append([f"`{value.name}`", *(one.default for one in each), _cell("; ".join(remarks))])
    said = [f"* `budget={name}`: {_sentence(options.summary('budget', name))}" for name in names]
    return "\n".join(said) + "\n\n" + grid(["value", *names, "what it is"], lines)


def _option(group: str, name: str) -> str:
    """An option's section."""
    parts = [f"### {group}={name}", _sentence(_plain(options.summary(group, name)))]
    made_of = [f"class `{target}`"] if (target := options.target(group, name)) else []
    base = re.findall(r"^  - (?!_self_)(?:override )?(.+?) *(?:#.*)?$", _defaults(options.text(group, name)),
                      re.MULTILINE)
    made_of += [f"built on {', '.join(f'`{one}`' for one in base)}"] if base else []
    if made_of:
        parts.append(_sentence("; ".join(made_of)))
    if found := values(group, name):
        parts.append(_values(found))
    return "\n\n".join(parts)


def _defaults(text: str) -> str:
    """The list of defaults of a file of Hydra's."""
    found = re.search(r"^defaults:.*\n((?:  - .*\n)+)", text, re.MULTILINE)
    return found[1] if found else ""


def _values(found: list[Value]) -> str:
    return grid(["value", "default", "remark"],
                [[f"`{value.name}`", f"`{_cell(value.default)}`" if value.default else "", _cell(value.remark)]
                 for value in found])


def values(group: str, name: str) -> list[Value]:
    """Every value that an option's file sets, in its order, but for its class and what it is built on."""
    return _of_file(f"{group}/{name}.yaml")


def _of_file(file: str) -> list[Value]:
    text = _source(file)
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return [] if node is None else [value for value in _walk(node, text, "", {})
                                    if value.name != "_target_" and not value.name.startswith("defaults")]


def _walk(node: yaml.Node, text: str, name: str, seen: dict[int, str], above: str = "") -> Iterator[Value]:
    """What a node holds, a value each; what is written in one line, or is a list of plain words, is one value.
    ``above`` is the remark behind its name, if it has lines of its own."""
    if (known := seen.get(id(node))) is not None:  # an alias
        yield Value(name, f"as {known}", "")
        return
    seen[id(node)] = name
    if not _parted(node, text):
        yield Value(name, _written(node, text), above if _is_block(node) else _remark(text, node.end_mark.index))
        return
    if above:
        yield Value(name, "", above)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            remark = _remark(text, key.end_mark.index) if _is_block(value) else ""
            yield from _walk(value, text, f"{name}.{key.value}".lstrip("."), seen, remark)
    else:
        for number, value in enumerate(node.value):
            yield from _walk(value, text, f"{name}[{number}]", seen)


def _is_block(node: yaml.Node) -> bool:
    """Whether a node has lines of its own, below its name."""
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _parted(node: yaml.Node, text: str) -> bool:
    """Whether the parts of a node are shown, and not its text: of what has lines of its own, but for a list of plain
    words, and of what names another node."""
    if isinstance(node, yaml.ScalarNode):
        return False
    if isinstance(node, yaml.SequenceNode) and all(isinstance(one, yaml.ScalarNode) for one in node.value):
        return False
    return _is_block(node) or "*" in _written(node, text)


def _written(node: yaml.Node, text: str) -> str:
    """A node as its file has it, in one line."""
    if _is_block(node):
        return f"[{', '.join(one.value for one in node.value)}]"
    return " ".join(re.sub(r"&\w+", "", text[node.start_mark.index: node.end_mark.index]).split())


def _remark(text: str, index: int) -> str:
    """The remark in the rest of a line."""
    found = re.search(r"(?:^|\s)# *(.*)", text[index:].partition("\n")[0])
    return found[1].rstrip() if found else ""


def _source(file: str) -> str:
    """A file of ``conf``."""
    return PACKAGE.sub("", resources.files(options.FOLDER).joinpath(file).read_text(encoding="utf-8"))


def _plain(text: str) -> str:
    """A docstring's text in Markdown, one paragraph a paragraph."""
    text = without_roles(text.replace("``", "`"))
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))


def _sentence(text: str) -> str:
    """A text that begins and ends as a sentence does."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}" if text else ""


def _cell(text: str) -> str:
    """A text in a cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for path, page in pages(importlib.import_module(COMMANDS)).items():
        write_atomic(path, page.encode())
