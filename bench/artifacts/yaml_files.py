"""YAML files of the user's own folders, looked at before Hydra reads them: Hydra waits for a pipe, and writes out
whatever is said once and referred to a billion times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from bench.artifacts.reading import MIB, corrupt, read_bytes
from bench.errors import BenchError

FOLDERS = ("--config-dir", "-cd", "--config-path", "-cp")  # flags, and after them a folder
SEARCHED = "hydra.searchpath="
DEEPEST, MOST = 64, 100_000  # levels, values: with what is referred to written out
FILES = 10_000  # in a folder


def check_folders(arguments: Sequence[str]) -> None:
    """Raise BenchError for a YAML file in the folders that a command line names which cannot be a configuration."""
    for folder in _folders(arguments):
        if not folder.is_dir():
            continue  # Hydra says that it is not there
        for number, file in enumerate(folder.rglob("*.y*ml")):
            if number == FILES:
                raise BenchError(f"{folder} has more than {FILES:,} YAML files; --config-dir needs a folder of options")
            check_file(file)


def _folders(arguments: Sequence[str]) -> Iterator[Path]:
    for argument, following in pairwise([*arguments, ""]):
        flag, _, value = argument.partition("=")
        if flag in FOLDERS:
            yield Path(value or following).expanduser()
        elif argument.lstrip("+").startswith(SEARCHED):
            for part in argument.split("=", 1)[1].strip("[]").split(","):
                yield Path(part.strip("'\" ").removeprefix("file://"))


def check_file(file: Path) -> None:
    """Raise BenchError unless a file is YAML of moderate size."""
    try:
        tree = yaml.compose(read_bytes(file, MIB).decode(), Loader=yaml.SafeLoader)
    except UnicodeDecodeError:
        raise corrupt(file, "it is not UTF-8") from None
    except (yaml.YAMLError, ValueError) as error:
        raise corrupt(file, f"it is not YAML: {' '.join(str(error).split())[:200]}") from None
    except RecursionError:
        raise corrupt(file, "its YAML is nested too deeply") from None
    if tree is not None:
        _size(file, tree, 0, {})


def _size(file: Path, node: yaml.Node, depth: int, known: dict[int, int]) -> int:
    """Values in a node, with what it refers to written out."""
    if depth > DEEPEST:
        raise corrupt(file, f"its YAML is nested deeper than {DEEPEST}, or refers to itself")
    if id(node) not in known:
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        known[id(node)] = 1 + sum(_size(file, one, depth + 1, known) for one in inner)
        if known[id(node)] > MOST:
            raise corrupt(file, f"its YAML says more than {MOST:,} values")
    return known[id(node)]
