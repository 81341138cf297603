"""``python -m bench race PATH``: training to a win rate beside JaxMARL's own script, from its checkout at PATH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject
from bench.options import quoted

if TYPE_CHECKING:
    from omegaconf import DictConfig

OPPONENT = ("env.opponent=closest",)  # SMAX's default one
COMMAND = Command("train to a win rate beside JaxMARL's own script (race PATH_OF_A_CHECKOUT)",
                  lambda arguments: [*OPPONENT, *subject(arguments, lambda argument: f"jaxmarl={quoted(argument)}")])


def main(cfg: DictConfig) -> None:
    """Run JaxMARL's script and ours one after the other on one core, and print the times."""
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

    check(cfg)
    settings: race.Race = build(cfg.race, "race")
    file = race.script(cfg.jaxmarl)
    overrides = [override for override in made(cfg).overrides
             if not override.startswith(("jaxmarl=", "race.", "seed=", "out=", "shipped="))]
    if hasattr(os, "sched_setaffinity"):  # whatever is started from here stays on this core
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pairs = []
    for seed in range(int(cfg.seed), int(cfg.seed) + settings.seeds):
        pair = []
        for name, start in (("JaxMARL's vdn_rnn.py", lambda folder, seed=seed: race.jaxmarl(file, seed, folder)),
                            (f"bench train algo={made(cfg).choices['algo']}",
                             lambda folder, seed=seed: race.ours(overrides, seed, folder))):
            place = Path(tempfile.gettempdir(), "race")
            with temporary(place, folder=True) as folder, bar(f"{name}, seed {seed}") as progress:
                pair.append(race.lap(name, seed, folder, settings, progress, start(folder)))
        pairs.append((pair[0], pair[1]))
        race.write(Path(cfg.out) / "race.json", pairs)  # a later run may fail
    console.print(plain(race.table(pairs)))
