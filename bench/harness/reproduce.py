"""A row of the leaderboard, measured again."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from hydra import compose
from omegaconf import open_dict

from bench import BENCHMARK, plugins
from bench.artifacts.temporary import temporary
from bench.contracts import Curves, Result
from bench.errors import BenchError, unknown
from bench.harness import gate
from bench.harness.cell import Say, Stage, run
from bench.harness.grid import grid, read
from bench.harness.sweep import chosen, hash_of
from bench.reporting.curves import ENDING, curves_of_cell, wanted
from bench.reporting.leaderboard import result_rows
from bench.reporting.schema import ROUNDING, validated


def find(frame: pd.DataFrame, row_id: str) -> pd.Series:
    """The row with this id. Raises BenchError if there is none, or none that can be measured again by this version."""
    rows = frame[(frame["row_id"] == row_id).fillna(False)]
    if rows.empty:
        raise unknown("row", row_id, [*frame["row_id"].dropna().head(3), "..."])
    row = rows.iloc[0]
    if row["status"] != "ok":
        raise BenchError(f"row {row_id} has no figures: {row['error']}")
    if row["benchmark_version"] != BENCHMARK:
        raise BenchError(f"row {row_id} has figures of benchmark {row['benchmark_version']}; this release measures "
                         f"those of {BENCHMARK}")
    return row


def words_of(row: pd.Series, given: Sequence[str], trusted: frozenset[str] = frozenset()) -> list[str]:
    """The words of the command that measures the row's cell: those that make a configuration with its hash.

    Tried are the row's own choices, with the ``given`` words added, and the cells of the shipped sweep.
    Raises BenchError if it is none of them, or the row does not pass the gate.
    """
    cell = gate.cell(row, trusted)
    choices = {key: cell[key] for key in ("attack", "algo", "detector", "seed")}
    sweep = read(compose("config", ["sweep=shipped"]).sweep)
    plain = [f"{key}={value}" for key, value in cell.items()]
    candidates = [[*plain, *given]]
    try:
        cells = grid(chosen(sweep, choices))
    except BenchError:  # not a cell of the shipped sweep
        cells = []
    candidates += [[*sweep.words, *(f"{key}={value}" for key, value in cell.items()), *given] for cell in cells]
    for words in candidates:
        if hash_of(words) == row["config_hash"]:
            return words
    raise BenchError(f"the configuration {row['config_hash']} is not that of: {shlex.join(plain)}; give the values "
                     "that the row was measured with as well")


def measure_again(words: Sequence[str], row_id: str, out: Path, stage: Stage, say: Say) -> pd.Series:
    """The row with this id of the cell, measured now; teams that were trained below ``out`` are used again.

    Raises BenchError if the cell has no such row any more.
    """
    return find(rows_of(measured_again(words, out, stage, say)[0]), row_id)


def rows_of(result: Result) -> pd.DataFrame:
    """The rows of a result that was measured now, as a leaderboard has them."""
    return validated(pd.DataFrame(result_rows(result)), "the new result")


def measured_again(words: Sequence[str], out: Path, stage: Stage, say: Say) -> tuple[Result, dict[str, Curves]]:
    """A cell's result, measured now, and the curves of those rows whose curves a leaderboard keeps; teams that were
    trained below ``out`` are used again."""
    cfg = compose("config", plugins.words(words))
    with temporary(Path(tempfile.gettempdir(), "reproduce"), folder=True) as folder:
        if (out / "teams").is_dir():
            (folder / "teams").symlink_to((out / "teams").absolute())
        with open_dict(cfg):
            cfg.out, cfg.leaderboard = str(folder), f"{folder}/leaderboard.csv"
        result = run(cfg, stage, say=say)
        of_rows = {line["row_id"]: curves for file in folder.glob(f"runs/*{ENDING}")
                   for line, curves in curves_of_cell(file.with_name(file.name.removesuffix(ENDING)))}
    frame = rows_of(result)
    return result, {row: of_rows[row] for row in frame.loc[wanted(frame), "row_id"]}


def compare(stored: pd.Series, now: pd.Series) -> pd.DataFrame:
    """Every figure of the stored row that has an interval: ``figure``, ``stored``, ``low``, ``high``, ``now`` and
    whether it is ``inside``. A figure that is missing now is outside."""
    lines = []
    for low in (name for name in stored.index if name.endswith("_low") and pd.notna(stored[name])):
        figure = low.removesuffix("_low")
        ends = stored[low], stored[f"{figure}_high"]
        inside = pd.notna(now[figure]) and ends[0] - ROUNDING <= now[figure] and not now[figure] > ends[1] + ROUNDING
        lines.append({"figure": figure, "stored": stored[figure], "low": ends[0], "high": ends[1],
                      "now": now[figure], "inside": bool(inside)})
    return pd.DataFrame(lines)
