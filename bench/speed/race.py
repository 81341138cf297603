"""A race from a cold start to a win rate: our learner against JaxMARL's own scripts, one after the other on one core.
All are watched from outside, by the same clock: what is counted includes imports, compilation and evaluations.

What is equal: the core, one thread, SMAX's opponent that shoots at the closest, hidden size 64 (MAPPO's script can
have no other than 128), an evaluation of at least 256 greedy battles every 50,000 steps (MAPPO's evaluates nothing;
what counts are the battles that it learns from). What each has as its own: the learner, its settings, and SMAX's rules.
JaxMARL's scripts play SMAX as it comes (steps of half a second, walls kill, 100 steps); ours plays with SMAC's clock
and limits (see :mod:`bench.envs.smax`), by which a battle takes half as many steps again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import pydantic.dataclasses
from pydantic import Field, PositiveFloat, PositiveInt

from bench.artifacts.files import write_atomic
from bench.artifacts.teams import read_metadata
from bench.children import child
from bench.contracts import Progress
from bench.errors import BenchError
from bench.speed.baselines import Point, Start

POLL = 0.2  # seconds between two looks at a run


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Race:
    """What is raced for."""

    win_rate: Annotated[float, Field(gt=0, le=1)] = 0.75
    minutes: PositiveFloat = 20.0  # of one run, after which it is given up
    seeds: PositiveInt = 1


End = Literal["reached", "out of time", "ended"]


@dataclass(frozen=True)
class Mark:
    """An evaluation, and when it was seen: seconds since the process was started, of the clock and of the processor."""

    point: Point
    seconds: float
    cpu: float | None  # None where the system does not say


@dataclass(frozen=True)
class Lap:
    """A run up to the win rate, or up to where it ended without."""

    name: str
    seed: int
    marks: Sequence[Mark]
    end: End

    @property
    def speed(self) -> float | None:
        """Steps a second from the first evaluation to the last: training and evaluations, without the start."""
        first, last = (self.marks[0], self.marks[-1]) if self.marks else (None, None)
        if first is None or last is None or last.seconds <= first.seconds:
            return None
        return (last.point.steps - first.point.steps) / (last.seconds - first.seconds)


def ours(words: Sequence[str], seed: int, folder: Path) -> Start:
    """(command, environment, how to read its evaluations) of ``python -m bench train``."""
    command = [sys.executable, "-m", "bench", "train", *words, f"seed={seed}", "shipped=false", f"out={folder}"]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    return command, {"PYTHONPATH": path}, lambda: our_curve(folder)


def our_curve(folder: Path) -> list[Point]:
    """The evaluations of a training run, from where it writes itself down, or from the finished team."""
    for file in (folder / "teams").glob("*.partial.safetensors"):
        try:
            curve = json.loads(read_metadata(file)["values"])["curve"]
        except FileNotFoundError:  # just finished
            continue
        return [Point(row["steps"], row["win_rate"]) for row in curve]
    for file in (folder / "teams").glob("*.json"):
        about = json.loads(file.read_text(encoding="utf-8"))
        if "curve" in about:
            return [Point(row["steps"], row["win_rate"]) for row in about["curve"]]
    return []


def lap(name: str, seed: int, folder: Path, race: Race, progress: Progress, start: Start) -> Lap:
    """Start a run in an empty folder and watch it until it reaches the win rate, ends, or its time is over.

    Raises BenchError if it fails.
    """
    command, environment, read = start
    cold = {"JAX_COMPILATION_CACHE_DIR": str(folder / "jax"), "JAX_PLATFORMS": "cpu",  # nothing is compiled yet
            "PYTHONIOENCODING": "utf-8"}
    with open(folder / "output.txt", "w+", encoding="utf-8", errors="replace") as output:
        began = time.perf_counter()
        with child(command, os.environ | cold | environment, cwd=folder, stdout=output,
                   stderr=subprocess.STDOUT) as process:
            marks, end = _watch(process, read, race, progress, began)
        if end == "ended" and process.returncode:
            output.seek(0)
            said = (output.read().strip().splitlines() or [f"exit code {process.returncode}"])[-1]
            raise BenchError(f"{name} failed: {said}")
    return Lap(name, seed, marks, end)


def _watch(process: subprocess.Popen, read: Callable[[], list[Point]], race: Race, progress: Progress, began: float,
           ) -> tuple[list[Mark], End]:
    marks: list[Mark] = []
    while True:
        ended = process.poll() is not None
        for point in read()[len(marks):]:
            marks.append(Mark(point, time.perf_counter() - began, cpu_seconds(process.pid)))
            if point.win_rate >= race.win_rate:
                return marks, "reached"
        seconds = time.perf_counter() - began
        if ended or seconds > race.minutes * 60:
            return marks, "ended" if ended else "out of time"
        last = marks[-1].point if marks else None
        progress(seconds / race.minutes / 60,
                 "starting" if last is None else f"wins {last.win_rate:.1%} after {last.steps:,} steps")
        time.sleep(POLL)


def cpu_seconds(process: int) -> float | None:
    """Processor time that a running process has taken, or None where the system does not say (only Linux does)."""
    try:
        words = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Heat:
    """The runs of one seed."""

    theirs: Sequence[Lap]
    mine: Lap

    def ratio(self, time_of: Callable[[Mark], float | None]) -> str:
        """How many times faster ours reached the win rate than the fastest of theirs; "> x" if none of theirs reached
        it, "-" if ours did not."""
        there = [lap for lap in self.theirs if lap.end == "reached"]
        times = [time_of(lap.marks[-1]) for lap in there or self.theirs if lap.marks]
        mine = time_of(self.mine.marks[-1]) if self.mine.end == "reached" else None
        known = [time for time in times if time]
        if not mine or not known:
            return "-"
        return f"{min(known) / mine:.2f}" if there else f"> {max(known) / mine:.2f}"


def table(heats: Sequence[Heat]) -> pd.DataFrame:
    """A row a run, ours after theirs: what it took to the win rate, and how many times less it took ours than the
    fastest of theirs."""
    rows = []
    for heat in heats:
        for run in (*heat.theirs, heat.mine):
            last = run.marks[-1] if run.marks else None
            rows.append({
                "run": run.name, "seed": str(run.seed),
                "win rate": "-" if last is None else f"{last.point.win_rate:.3f}",
                "seconds": _shown(run, seconds), "CPU s": _shown(run, cpu),
                "steps": _shown(run, lambda mark: mark.point.steps),
                "steps/s after the start": "-" if run.speed is None else f"{run.speed:,.0f}",
                "times faster": heat.ratio(seconds) if run is heat.mine else "",
                "in CPU s": heat.ratio(cpu) if run is heat.mine else ""})
    return pd.DataFrame(rows)


def _shown(run: Lap, figure_of: Callable[[Mark], float | None]) -> str:
    """A figure at the win rate; that of a last evaluation below it is only a lower bound."""
    figure = figure_of(run.marks[-1]) if run.marks else None
    return "-" if figure is None else f"{'' if run.end == 'reached' else '> '}{figure:,.0f}"


def seconds(mark: Mark) -> float | None:
    """The time of the clock."""
    return mark.seconds


def cpu(mark: Mark) -> float | None:
    """The time of the processor: what the clock would show on a core without other work."""
    return mark.cpu


def write(file: Path, heats: Sequence[Heat]) -> None:
    """The evaluations of all runs, as JSON."""
    runs = [run for heat in heats for run in (*heat.theirs, heat.mine)]
    write_atomic(file, json.dumps([asdict(run) for run in runs], indent=1).encode())
