"""What a run holds in memory, known before anything is played: battles are by far the most of it.

How long battles last is not known beforehand. On the shipped maps a mean one takes .2 to .8 of its limit of steps; what
is needed "at most" is for battles that all last to their limit, and what is needed "at least" for a tenth of it. What
detectors make of battles is theirs and not counted, nor is an injection, which keeps little of what it plays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from omegaconf import DictConfig

from bench.contracts import COLUMNS, EnvSpec
from bench.errors import BenchError
from bench.marl.learners import Settings
from bench.marl.networks import HIDDEN
from bench.marl.play import SLOTS

ALWAYS = ("observation", "available", "action", "reward", "alive", "mask", "trigger", "edited")  # recorded of a step
SHORTEST = 0.1  # of the limit of steps: no map is known whose battles are as short as that
GIB = 2**30
CGROUP = Path("/sys/fs/cgroup")
_CGROUPS = (("memory.max", "memory.current", "memory.stat", "inactive_file"),  # of version 2, and of version 1
            ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat",
             "total_inactive_file"))


@dataclass(frozen=True)
class Need:
    """Bytes that are held at once, at least and at most, and the values of the configuration that make it so much."""

    what: str
    least: float
    most: float
    lower: tuple[str, ...]


def battles_of(cfg: DictConfig) -> dict[str, int]:
    """How many battles of one team are held at once, by the values of the configuration that say so."""
    budget = cfg.budget
    return {"budget.test_battles": 2 * budget.test_battles,  # with the trigger and without it
            "budget.calibration_battles": budget.calibration_battles,
            "budget.fit_battles": budget.fit_battles * (2 if cfg.defender == "trusted" else 1)}


def watching(spec: EnvSpec, battles: Mapping[str, int], record: Collection[str] = (), teams: int = 1) -> Need:
    """Of the recorded battles of so many teams at once, ``battles`` of each."""
    held = teams * sum(battles.values()) + SLOTS
    most = spec.episode_limit * (step_bytes(spec, record) * held + _copied(spec) * max(battles.values()))
    what = f"recording battles of {teams} team{'s' * (teams > 1)} in {spec.id}"
    return Need(what, SHORTEST * most, most, tuple(battles))


def training(spec: EnvSpec, learning: Settings) -> Need:
    """Of what a clean team's training keeps, of the battles under way, and of an evaluation."""
    step, limit = step_bytes(spec, ("state",)), spec.episode_limit

    def held(share: float) -> float:
        """Where battles last this share of their limit."""
        length = limit * share
        return step * learning.held(length, SLOTS) + _copied(spec) * learning.eval_battles * length

    return Need(f"training a team in {spec.id}", held(SHORTEST), held(1), learning.heavy)


def require(need: Need, say: Callable[[str], None]) -> None:
    """Say so if memory may run out. Raises BenchError if it will, however short the battles are."""
    there = free()
    if need.most <= there:
        return
    if need.least > there:
        raise BenchError(
            f"not enough memory: {need.what} takes {_gib(need.least)} to {_gib(need.most)} GiB, and {_gib(there)} GiB "
            f"are free; lower {', '.join(need.lower)}, or choose a smaller environment")
    say(f"memory may run out: {need.what} takes at most {_gib(need.most)} GiB (if battles last to their limit of "
        f"steps), and {_gib(there)} GiB are free")


def step_bytes(spec: EnvSpec, record: Collection[str] = ()) -> int:
    """Bytes of a recorded step of a battle, ``record`` being the columns on request."""
    sizes = {"agent": spec.n_agents, "feature": spec.observation_size, "action": spec.n_actions, "unit": HIDDEN,
             "state feature": spec.state_size}
    columns = [COLUMNS[name] for name in (*ALWAYS, *record)]
    return sum(column.dtype.itemsize * math.prod(sizes[axis] for axis in column.axes[2:]) for column in columns)


def _copied(spec: EnvSpec) -> int:
    """Bytes of a step that are there twice while a record is put together from its parts, column by column."""
    return COLUMNS["observation"].dtype.itemsize * spec.n_agents * spec.observation_size


def free() -> int:
    """Bytes that this process may still take: what the machine has, or what a container's limit leaves."""
    there = psutil.virtual_memory().available
    for limit, used, stat, cache in _CGROUPS:
        try:
            most, taken = (int((CGROUP / file).read_text(encoding="ascii")) for file in (limit, used))
            parts = dict(line.split() for line in (CGROUP / stat).read_text(encoding="ascii").splitlines())
            there = min(there, most - taken + int(parts.get(cache, 0)))  # files in the cache give way
        except (OSError, ValueError):  # no such limit ("max")
            continue
    return max(there, 0)


def _gib(n: float) -> str:
    return f"{n / GIB:,.1f}"
