"""A race from a cold start to a win rate: our learner against JaxMARL's own VDN-RNN script, one after the other on one
core. Both are watched from outside, by the same clock: what is counted includes imports, compilation and evaluations.

What is equal: the core, one thread, SMAX's opponent that shoots at the closest, hidden size 64, an evaluation of at
least 256 greedy battles every 50,000 steps. What each has as its own: the learner, its settings, and SMAX's rules.
JaxMARL's script plays SMAX as it comes (steps of half a second, walls kill, 100 steps); ours plays with SMAC's clock
and limits (see :mod:`bench.envs.smax`), by which a battle takes half as many steps again.
"""

from __future__ import annotations

import importlib.util
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

SCRIPT = Path("baselines/QLearning/vdn_rnn.py")
NEEDED = ("flashbax", "flax", "optax", "chex")  # what the script imports beside what SMAX needs
POLL = 0.2  # seconds between two looks at a run

BATTLES, STEPS = 32, 128  # JaxMARL's battles at once, and steps of each between two rounds of updates
TOTAL, INTERVAL = 2_000_000, 0.025  # its steps, over whose tenth epsilon falls; the share of them between evaluations
EVERY = int(TOTAL // STEPS // BATTLES * INTERVAL)  # updates between two evaluations, as the script computes it
# Its own configuration for SMAX, but for the map, the size, the steps and the learning rate: its 5e-5 is for 512 units
# and ten million steps. Of those that were tried, one run each, this was the fastest: 1e-3 wins .30 after 0.84 M steps,
# 2e-3 on a schedule of one million .05 after 0.39 M, 5e-3 on one million .69 and on two million .72 after 0.98 M.
OVERRIDES = (
    "+alg=ql_rnn_smax", "alg.MAP_NAME=8m", "alg.ENV_KWARGS.attack_mode=closest", "alg.HIDDEN_SIZE=64",
    f"alg.NUM_ENVS={BATTLES}", f"alg.NUM_STEPS={STEPS}", "alg.LR=5e-3", f"alg.TOTAL_TIMESTEPS={TOTAL}",
    f"alg.TEST_INTERVAL={INTERVAL}", "alg.TEST_NUM_ENVS=64",  # 64 x 128 steps hold 270 to 500 battles
    "WANDB_MODE=online",  # it tells its figures to nobody else; the file stands in for the site
    "SAVE_PATH=null")


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Race:
    """What is raced for."""

    win_rate: Annotated[float, Field(gt=0, le=1)] = 0.75
    minutes: PositiveFloat = 20.0  # of one run, after which it is given up
    seeds: PositiveInt = 1


@dataclass(frozen=True)
class Point:
    """An evaluation: the win rate of greedy held-out battles after so many environment steps."""

    steps: int
    win_rate: float


# command, environment, how to read its evaluations
Start = tuple[list[str], dict[str, str], Callable[[], list[Point]]]
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


def script(checkout: str | None) -> Path:
    """JaxMARL's script in a checkout. Raises BenchError where it cannot be run."""
    if not checkout:
        raise BenchError("no checkout of JaxMARL is given; python -m bench race PATH "
                         "(git clone https://github.com/FLAIROx/JaxMARL PATH)")
    file = Path(checkout).expanduser().resolve() / SCRIPT
    if not file.is_file():
        raise BenchError(f"'{checkout}' is no checkout of JaxMARL: there is no {SCRIPT} in it")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(f"JaxMARL's script needs packages that are not installed: pip install {' '.join(missing)}")
    return file


def jaxmarl(file: Path, seed: int, folder: Path) -> Start:
    """(command, environment, how to read its evaluations) of JaxMARL's script."""
    log = folder / "log.jsonl"
    command = [sys.executable, str(Path(__file__).with_name("jaxmarl_baseline.py")), str(file), str(log), *OVERRIDES,
               f"SEED={seed}"]
    path = os.pathsep.join(filter(None, (str(file.parents[2]), os.environ.get("PYTHONPATH"))))
    return command, {"PYTHONPATH": path}, lambda: jaxmarl_curve(log)


def ours(words: Sequence[str], seed: int, folder: Path) -> Start:
    """(command, environment, how to read its evaluations) of ``python -m bench train``."""
    command = [sys.executable, "-m", "bench", "train", *words, f"seed={seed}", "shipped=false", f"out={folder}"]
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    return command, {"PYTHONPATH": path}, lambda: our_curve(folder)


def jaxmarl_curve(log: Path) -> list[Point]:
    """The evaluations in a log of :mod:`bench.speed.jaxmarl_baseline`; between two the script repeats the last.

    Raises BenchError if the script of this checkout logs other figures.
    """
    rows = [json.loads(line) for line in _whole_lines(log)]
    try:
        return [Point(int(row["env_step"]), row["test_returned_won_episode"]) for row in rows
                if row["update_steps"] % EVERY == 0]
    except KeyError as error:
        raise BenchError(f"JaxMARL's script of this checkout does not log {error}; it logs "
                         f"{', '.join(sorted(rows[0]))}") from None


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


def _whole_lines(file: Path) -> list[str]:
    """The lines of a file that are written to their ends."""
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []


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


def table(pairs: Sequence[tuple[Lap, Lap]]) -> pd.DataFrame:
    """A row a run, ours beside theirs: what it took to the win rate, and how many times less it took ours."""
    rows = []
    for pair in pairs:
        for run in pair:
            last = run.marks[-1] if run.marks else None
            rows.append({
                "run": run.name, "seed": str(run.seed),
                "win rate": "-" if last is None else f"{last.point.win_rate:.3f}",
                "seconds": _shown(run, seconds), "CPU s": _shown(run, cpu),
                "steps": _shown(run, lambda mark: mark.point.steps),
                "steps/s after the start": "-" if run.speed is None else f"{run.speed:,.0f}",
                "times faster": ratio(*pair, seconds) if run is pair[1] else "",
                "in CPU s": ratio(*pair, cpu) if run is pair[1] else ""})
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


def ratio(theirs: Lap, mine: Lap, time_of: Callable[[Mark], float | None]) -> str:
    """How many times faster ours reached the win rate; "> x" if theirs did not reach it, "-" if ours did not."""
    if mine.end != "reached" or not theirs.marks:
        return "-"
    their_time, my_time = time_of(theirs.marks[-1]), time_of(mine.marks[-1])
    if not their_time or not my_time:
        return "-"
    return f"{'' if theirs.end == 'reached' else '> '}{their_time / my_time:.2f}"


def write(file: Path, pairs: Sequence[tuple[Lap, Lap]]) -> None:
    """The evaluations of all runs, as JSON."""
    write_atomic(file, json.dumps([asdict(run) for pair in pairs for run in pair], indent=1).encode())
