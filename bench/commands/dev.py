"""``python -m bench dev``: a detector that is being developed, on the teams that are there for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject
from bench.errors import BenchError

if TYPE_CHECKING:
    from omegaconf import DictConfig

USUAL = {"sweep": "dev", "budget": "dev", "out": "results/dev", "leaderboard": "results/dev/leaderboard.csv"}


def _read(arguments: list[str]) -> list[str]:
    given = subject(arguments, lambda name: f"detector={name}")
    named = {argument.partition("=")[0] for argument in given}
    return [*(f"{name}={value}" for name, value in USUAL.items() if name not in named), *given]


COMMAND = Command("measure a detector on the teams for development, in minutes (dev DETECTOR)", _read, plays=False)


def main(cfg: DictConfig) -> None:
    """Measure the configured detector on the cells of ``sweep`` that are not finished, and print its figures on each
    team and its place among the leaderboard's detectors on the same teams.

    Raises BenchError in the end if any cell failed.
    """
    from bench.harness.configuration import check, check_places, describe
    from bench.harness.grid import read
    from bench.harness.sweep import given, run_sweep
    from bench.leaderboard.ranking import RANKED, beside, ranking
    from bench.leaderboard.rows import read_leaderboard, rows_of
    from bench.leaderboard.shipped import HERE, to_read
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.table import by_team, ranked

    check(cfg)
    check_places(cfg)
    sweep = read(cfg.sweep)
    with bar(f"detector {describe(cfg).detector}") as progress:
        cells = run_sweep(sweep, *given(), progress)
    results = [cell.result for cell in cells if cell.result is not None and cell.result.status == "ok"]
    if results:
        console.print(by_team(results))
        frame = beside([rows_of(result) for result in results], read_leaderboard(to_read(HERE)))
        for figure, phase in RANKED.items():
            console.print(ranked(ranking(frame, figure), f"backdoor detection {phase}, on these teams alone"))
        remark(f"{results[0].sizes['triggered']} battles a team, against the leaderboard's in full: a first look")
    failed = [cell for cell in cells if cell.error]
    if failed:
        raise BenchError(f"{len(failed)} of {len(cells)} cells failed; the first: {failed[0].error}")
