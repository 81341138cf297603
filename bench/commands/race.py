"""``python -m bench race PATH``: training to a win rate beside JaxMARL's own scripts, from its checkout at PATH."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.commands import Command, subject
from bench.options import quoted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from omegaconf import DictConfig

    from bench.speed.baselines import Start
    from bench.speed.race import Lap

OPPONENT = ("env.opponent=closest",)  # SMAX's default one
FASTEST = "algo=mappo"  # of ours
OURS = ("jaxmarl=", "baseline=", "race.", "seed=", "out=", "shipped=")  # what a training is not told
COMMAND = Command("train to a win rate beside JaxMARL's own scripts (race PATH_OF_A_CHECKOUT)",
                  lambda arguments: [*OPPONENT, *_algorithm(arguments),
                                     *subject(arguments, lambda argument: f"jaxmarl={quoted(argument)}")])


def _algorithm(arguments: list[str]) -> list[str]:
    """The algorithm that is raced with where no other is named."""
    return [] if any(argument.startswith("algo=") for argument in arguments) else [FASTEST]


def main(cfg: DictConfig) -> None:
    """Run JaxMARL's scripts and ours one after the other on one core, and print the times."""
    import os
    import tempfile
    from pathlib import Path

    from bench.artifacts.temporary import temporary
    from bench.build import build
    from bench.harness.composed import made
    from bench.harness.configuration import check
    from bench.reporting.progress import bar, console
    from bench.reporting.table import plain
    from bench.speed import race
    from bench.speed.baselines import baseline

    check(cfg)
    settings: race.Race = build(cfg.race, "race")
    named = [cfg.baseline] if isinstance(cfg.baseline, str) else list(cfg.baseline or [])
    scripts = {one: one.file(cfg.jaxmarl) for one in map(baseline, map(str, named))}
    overrides = [override for override in made(cfg).overrides if not override.startswith(OURS)]
    if hasattr(os, "sched_setaffinity"):  # whatever is started from here stays on this core
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    def run(name: str, seed: int, start: Callable[[Path], Start]) -> Lap:
        place = Path(tempfile.gettempdir(), "race")
        with temporary(place, folder=True) as folder, bar(f"{name}, seed {seed}") as progress:
            return race.lap(name, seed, folder, settings, progress, start(folder))

    heats = []
    for seed in range(int(cfg.seed), int(cfg.seed) + settings.seeds):
        theirs = [run(f"JaxMARL's {one.name}", seed, partial(one.start, file, seed)) for one, file in scripts.items()]
        mine = run(f"bench train algo={made(cfg).choices['algo']}", seed, partial(race.ours, overrides, seed))
        heats.append(race.Heat(theirs, mine))
        race.write(Path(cfg.out) / "race.json", heats)  # a later run may fail
    console.print(plain(race.table(heats)))
