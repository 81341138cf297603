"""``python -m bench dev``: a detector that is being developed, on the teams that are there for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject
from bench.errors import BenchError

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

    from bench.contracts import Cell
    from bench.harness.grid import Sweep

USUAL = {"sweep": "dev", "budget": "dev", "out": "results/dev", "leaderboard": "results/dev/leaderboard.csv"}


def of_detector(arguments: list[str], usual: dict[str, str]) -> list[str]:
    """The arguments, the first of which may name the detector alone, after those that are usual."""
    given = subject(arguments, lambda name: f"detector={name}")
    named = {argument.partition("=")[0] for argument in given}
    return [*(f"{name}={value}" for name, value in usual.items() if name not in named), *given]


COMMAND = Command("measure a detector on the teams for development, in minutes (dev DETECTOR)",
                  lambda arguments: of_detector(arguments, USUAL), plays=False, more=(
                      "200 battles a team (budget=dev), the teams of sweep=dev. Prints the figures on each team and "
                      "the place among the leaderboard's detectors. results/dev keeps what is done: the same command "
                      "goes on."))


def main(cfg: DictConfig) -> None:
    """Measure the configured detector on the cells of ``sweep`` that are not finished, and print its figures on each
    team and its place among the leaderboard's detectors on the same teams.

    Raises BenchError in the end if any cell failed.
    """
    from bench.harness.configuration import check, check_places
    from bench.harness.grid import read
    from bench.leaderboard.rows import read_leaderboard
    from bench.leaderboard.shipped import HERE, to_read
    from bench.reporting.progress import remark

    check(cfg)
    check_places(cfg)
    cells = measured(cfg, read(cfg.sweep))
    told(cells, read_leaderboard(to_read(HERE)))
    remark(f"{cfg.budget.test_battles} battles a team, against the leaderboard's in full: a first look")
    refuse_failures(cells)


def measured(cfg: DictConfig, sweep: Sweep) -> list[Cell]:
    """The cells of a sweep with the configured detector."""
    from bench.harness.configuration import describe
    from bench.harness.executors import executor_of
    from bench.harness.sweep import given, run_sweep
    from bench.reporting.progress import bar

    with bar(f"detector {describe(cfg).detector}") as progress:
        return run_sweep(sweep, *given(), progress, executor_of(cfg))


def told(cells: list[Cell], others: pd.DataFrame) -> None:
    """Print the figures of each team, and the detector's place among the ``others`` that were measured on the same."""
    from bench.leaderboard.ranking import RANKED, beside, ranking
    from bench.leaderboard.rows import rows_of
    from bench.reporting.progress import console
    from bench.reporting.table import by_team, ranked

    results = [cell.result for cell in cells if cell.result is not None and cell.result.status == "ok"]
    if not results:
        return
    console.print(by_team(results))
    frame = beside([rows_of(result) for result in results], others)
    for figure, phase in RANKED.items():
        console.print(ranked(ranking(frame, figure), f"backdoor detection {phase}, on these teams alone"))


def refuse_failures(cells: list[Cell]) -> None:
    """Raise BenchError if any cell failed."""
    failed = [cell for cell in cells if cell.error]
    if failed:
        raise BenchError(f"{len(failed)} of {len(cells)} cells failed; the first: {failed[0].error}")
