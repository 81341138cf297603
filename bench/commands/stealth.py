"""``python -m bench stealth``: what a team gives away when nobody shows the trigger."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Command
from bench.errors import BenchError

if TYPE_CHECKING:
    from omegaconf import DictConfig

NOT_OF_TEAMS = ("every", "only", "executor")
COMMAND = Command("measure what a team gives away without the trigger; every team of the zoo (stealth zoo)",
                  lambda arguments: ["every=true", *arguments[1:]] if arguments[:1] == ["zoo"] else arguments,
                  more="A row a team, in stealth.csv beside leaderboard=. With zoo, only= chooses attacks.")


def main(cfg: DictConfig) -> None:
    """Print the stealth of the configured attack's team, or measure that of ``every`` team of the zoo, only some
    attacks with ``only=``; lines go to the table beside ``leaderboard``, and a team that has one is only read.

    Raises BenchError in the end if a team of the zoo failed.
    """
    from bench.harness.composed import made, part
    from bench.harness.executors import executor_of
    from bench.harness.stealth import measure_all, measured
    from bench.leaderboard.stealth import read_stealth, stealth_file
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.stealth import of_all, of_team

    path = Path(cfg.leaderboard)
    if not cfg.every:
        console.print(of_team(measured(cfg, bar, remark).iloc[0]))
        console.print(f"its line is in {stealth_file(path)}", soft_wrap=True)
        return
    passed = [override for override in made(cfg).overrides if part(override) not in NOT_OF_TEAMS]
    with bar("watching the zoo") as progress:
        errors = measure_all(cfg, passed, progress, executor_of(cfg))
    console.print(of_all(read_stealth(path)))
    if errors:
        name, error = next(iter(errors.items()))
        raise BenchError(f"{len(errors)} teams could not be measured; the first, {name}: {error}")
