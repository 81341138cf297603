"""Speed of play and training beside the bare simulator, and what is measured now beside what was measured before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from bench.artifacts.files import read_json, write_json
from bench.artifacts.reading import corrupt
from bench.contracts import Battles, Progress
from bench.marl.learners import Settings
from bench.marl.play import Player

BARE = "the bare simulator, random actions"
ROUNDS, SECONDS = 5, 1.5  # every speed is the median of so many rounds, taken in turns with the others
BATTLES = 64  # a call of play
WARM_UP = 60  # rounds after which a training that says nothing of a loss is taken as it is
HIGHER = "steps/s"  # the unit of which more is better


@dataclass(frozen=True)
class Measured:
    """A figure, and its ratio to another of the same kind that was measured beside it: that carries from machine to
    machine, the figure does not."""

    name: str
    value: float
    unit: str  # "steps/s", "s" of the clock, "MiB"
    beside: str = ""  # what the ratio is to; of times, both of the processor where the system says them
    ratio: float | None = None


def speeds(make: Callable[[], Battles], learning: Settings, progress: Progress) -> list[Measured]:
    """Environment steps per second, all with the same number of battles at once in this process.

    The simulator plays alone as the environment's ``bare`` does; one without it is measured without. Play is a team in
    the loop with episodes recorded; training is whole rounds, as its algorithm has them, with an evaluation now and
    then.
    """
    battles = make()
    training = learning.trainer(battles, 0)
    rounds = training.run()
    player, team = Player(make(), 1), training.team()

    def play() -> int:
        return int(player.play(team, BATTLES).length.sum())

    def train() -> int:
        before = training.steps
        next(rounds)
        return training.steps - before

    tasks: dict[str, Callable[[], int]] = {"a team in the loop": play, f"training {learning.name}": train}
    if (bare := getattr(battles, "bare", None)) is not None:
        tasks = {BARE: bare(player.slots)} | tasks
    found: dict[str, list[float]] = {name: [] for name in tasks}
    _warm_up(rounds)
    for task in tasks.values():  # compile
        task()
    for turn in range(ROUNDS):
        for name, task in tasks.items():
            found[name].append(_speed(task))
        progress((turn + 1) / ROUNDS, "speeds")
    medians = {name: statistics.median(values) for name, values in found.items()}
    return [Measured(name, speed, HIGHER, *((BARE, speed / medians[BARE]) if BARE in medians else ()))
            for name, speed in medians.items()]


def _warm_up(rounds: Iterator[dict[str, float]]) -> None:
    """Play until it learns: value-based learners first fill what they remember."""
    for _ in range(WARM_UP):
        if "loss" in next(rounds):
            return


def _speed(task: Callable[[], int]) -> float:
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        steps += task()
    return steps / (time.perf_counter() - began)


def write(file: Path, found: list[Measured], about: Mapping[str, Any]) -> None:
    """Figures as JSON, ``about`` the machine and the release beside them."""
    write_json(file, {"about": dict(about), "figures": [asdict(one) for one in found]})


def read(file: Path) -> list[Measured]:
    """Figures of :func:`write`. Raises BenchError for another file."""
    content = read_json(file)
    try:
        return TypeAdapter(list[Measured]).validate_python(content["figures"])
    except (ValidationError, KeyError, TypeError):
        raise corrupt(file, "it holds no figures of python -m bench perf") from None


def times_better(now: Measured, before: list[Measured]) -> float | None:
    """How many times as good as before a figure is, by the ratios where there are both; None where it was not measured
    the same way."""
    then = next((one for one in before if (one.name, one.unit, one.beside) == (now.name, now.unit, now.beside)), None)
    if then is None:
        return None
    new, old = (one.value if one.ratio is None else one.ratio for one in (now, then))
    if not new or not old:
        return None
    return new / old if now.unit == HIGHER else old / new


def table(found: list[Measured], before: list[Measured] | None = None) -> pd.DataFrame:
    """A line a figure, as texts; with what was measured ``before``, how many times as good each is now."""
    lines = []
    for one in found:
        line = {"": one.name, "measured": f"{one.value:,.{0 if one.value >= 100 else 2}f} {one.unit}",
                "ratio": "-" if one.ratio is None else f"{one.ratio:.2f}", "to": one.beside}
        if before is not None:
            better = times_better(one, before)
            line["times as good"] = "-" if better is None else f"{better:.2f}"
        lines.append(line)
    return pd.DataFrame(lines)
