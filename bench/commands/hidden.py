"""``python -m bench hidden``: a detector on teams that nobody but a referee has."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bench.commands import Command
from bench.commands.dev import measured, of_detector, refuse_failures, told

if TYPE_CHECKING:
    from omegaconf import DictConfig

USUAL = {"sweep": "hidden", "out": "results/hidden", "leaderboard": "results/hidden/leaderboard.csv"}
COMMAND = Command("measure a detector on a referee's hidden teams (hidden DETECTOR referee=FILE)",
                  lambda arguments: of_detector(arguments, USUAL), plays=False)


def main(cfg: DictConfig) -> None:
    """Measure the configured detector on teams whose seeds, and in battles whose seeds, a referee's secret gives. Teams
    that are not in ``out`` yet are trained first. Prints as ``python -m bench dev`` does; what is printed gives no
    seed away, while ``out`` is the referee's alone: its files do.

    Raises BenchError without a secret, and in the end if any cell failed.
    """
    from bench.harness.configuration import check, check_places
    from bench.harness.grid import read
    from bench.harness.referee import private_seeds
    from bench.leaderboard.rows import read_leaderboard
    from bench.leaderboard.shipped import HERE, to_read

    check(cfg)
    check_places(cfg)
    sweep = read(cfg.sweep)
    seeds = private_seeds(cfg, max(sweep.private_seeds, 1))
    cells = measured(cfg, replace(sweep, grids=[{"seed": seeds} | grid for grid in sweep.grids]))
    told(cells, read_leaderboard(to_read(HERE)).iloc[:0])
    refuse_failures(cells)
