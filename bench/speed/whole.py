"""Time and memory of whole commands, each a process of its own, and of a row that is added to a large leaderboard."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from bench.artifacts.files import read_bytes, write_atomic
from bench.artifacts.results import read_result
from bench.children import child
from bench.contracts import Progress, Result
from bench.errors import BenchError
from bench.leaderboard.rows import add_rows, rows_of
from bench.speed.perf import Measured

START = "Python with numpy"
RUN = ("run", "attack=spatiotemporal", "detector=isoforest")  # what make run does
COMMANDS = {"--help": ("--help",), "zoo list": ("zoo", "list"), "leaderboard --show": ("leaderboard", "--show")}
TURNS = 3  # short commands are the median of so many, taken in turns
ROWS = 100_000  # of the large leaderboard


@dataclass(frozen=True)
class Took:
    """What a process took: seconds of the clock and, where the system says them, of the processor, and MiB at most."""

    clock: float
    cpu: float | None = None
    memory: float | None = None


def commands(folder: Path, progress: Progress) -> list[Measured]:
    """Short commands beside the start of Python, and the default run; in ``folder``, which keeps the run's result."""
    asked = {START: [sys.executable, "-c", "import numpy"]} | {
        name: [sys.executable, "-m", "bench", *words] for name, words in COMMANDS.items()}
    found: dict[str, list[Took]] = {name: [] for name in asked}
    for turn in range(TURNS):
        for name, command in asked.items():
            found[name].append(took(command, folder))
        progress((turn + 1) / (2 * TURNS), "commands")
    typical = {name: sorted(several, key=lambda one: one.clock)[TURNS // 2] for name, several in found.items()}
    run = took([sys.executable, "-m", "bench", *RUN, "out=out"], folder)
    progress(1.0, "a run")
    typical |= {"run (the default one)": run}
    start = typical[START]
    times = [Measured(name, one.clock, "s", START, (one.cpu or one.clock) / (start.cpu or start.clock))
             for name, one in typical.items()]
    return times if run.memory is None else [*times, Measured("memory of the default run", run.memory, "MiB")]


def took(command: Sequence[str], folder: Path) -> Took:
    """Run a command to its end. Raises BenchError if it fails."""
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    runner = [sys.executable, str(Path(__file__).with_name("taken.py")), str(folder), *command]
    with child(runner, os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE) as process:
        found = json.loads(process.communicate()[0])
    if code := found.pop("code"):
        raise BenchError(f"{' '.join(command[1:])} failed, exit code {code}")
    return Took(**found)


def adding(folder: Path, rows: int = ROWS) -> Measured:
    """Adding the result of :func:`commands`'s run to a leaderboard of so many rows, beside reading and writing the
    file."""
    base = next(file for file in sorted((folder / "out" / "runs").glob("*.json")) if not file.stem.endswith(".curves"))
    result = read_result(base.with_suffix(""))
    assert result is not None
    file = folder / "large.csv"
    write_atomic(file, large(result, rows).to_csv(index=False).encode())
    whole, added = [], []
    for turn in range(TURNS):
        began = time.perf_counter()
        write_atomic(file, read_bytes(file))
        whole.append(time.perf_counter() - began)
        began = time.perf_counter()
        add_rows(file, replace(result, config_hash=f"{turn:012d}"))
        added.append(time.perf_counter() - began)
    seconds, bare = statistics.median(added), statistics.median(whole)
    return Measured(f"adding to a leaderboard of {rows:,} rows", seconds, "s", "reading and writing it", seconds / bare)


def large(result: Result, rows: int) -> pd.DataFrame:
    """A leaderboard of so many rows, of cells that differ from the result's in their hashes."""
    one = rows_of(result)
    many = one.loc[one.index.repeat(-(-rows // len(one)))].iloc[:rows].copy()
    many["config_hash"] = [f"c{number:011d}" for number in range(rows)]
    return many
