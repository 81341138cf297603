"""``python -m bench reproduce ROW_ID``: measure a row of the leaderboard again."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from bench import plugins
from bench.commands import Command, subject
from bench.commands.leaderboard import SHIPPED
from bench.errors import BenchError
from bench.options import quoted

if TYPE_CHECKING:
    from omegaconf import DictConfig

OWN = ("referee", "clean")  # files that a row cannot name
COMMAND = Command("measure a row of the leaderboard again (reproduce ROW_ID)",
                  lambda arguments: [*SHIPPED, *subject(arguments, lambda argument: f"row={quoted(argument)}")],
                  plays=False)  # it does, but not before it is known what


def main(cfg: DictConfig) -> None:
    """Print every figure of the row beside its stored interval.

    Raises BenchError if one falls outside, or the row cannot be measured again.
    """
    from bench.harness.again import measured_again, overrides_of_row
    from bench.harness.composed import made, of_a_cell
    from bench.leaderboard import shipped
    from bench.leaderboard.reproduce import compare, find
    from bench.leaderboard.rows import read_leaderboard, rows_of
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.table import compared

    if cfg.row is None:
        raise BenchError("no row is named; give the row_id of a row of the leaderboard")
    row = find(read_leaderboard(shipped.to_read(Path(cfg.leaderboard))), str(cfg.row))
    if given := of_a_cell(made(cfg).overrides):
        raise BenchError(f"{given[0]}: the row says itself which cell it is of; leave this away")
    overrides = overrides_of_row(row, plugins.trusted(cfg.plugin), [
        f"{name}={quoted(str(cfg[name]))}" for name in OWN if cfg[name] is not None])
    remark(f"python -m bench run {shlex.join(overrides)}")
    again, _ = measured_again(overrides, Path(cfg.out), bar, remark)
    found = compare(row, find(rows_of(again), str(cfg.row)))
    console.print(compared(found))
    outside = found.loc[~found["inside"], "figure"].tolist()
    if outside:
        raise BenchError(f"{len(outside)} of {len(found)} figures fall outside their interval: {', '.join(outside)}")
    console.print(f"all {len(found)} figures fall inside their intervals")
