"""The curves of the leaderboard's rows, in a file beside the CSV, gathered from the files beside results."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from bench.artifacts.files import locked, write_atomic
from bench.artifacts.kinds import GATHERED
from bench.artifacts.reading import inflated, parse_json, valid
from bench.artifacts.results import read_curves, read_result
from bench.contracts import DEV_SEED, Curves
from bench.leaderboard.rows import LOCK_SECONDS, result_rows

ENDING = ".curves.json"


def curves_file(leaderboard: Path) -> Path:
    """``curves.json.gz`` beside ``leaderboard.csv``, ``NAME.curves.json.gz`` beside any other ``NAME.csv``."""
    name = leaderboard.name.removesuffix(".csv")
    return leaderboard.with_name("curves.json.gz" if leaderboard.name == "leaderboard.csv" else f"{name}{ENDING}.gz")


def gather(leaderboard: Path, frame: pd.DataFrame, runs: Path) -> int:
    """Add the curves that lie in ``runs``, the folder of results, to the file beside a leaderboard's CSV.

    Kept are those of the attacks' rows on teams of seed 0: enough to look at, and few enough for a page. Curves of rows
    that are no longer there are dropped. Returns how many rows have curves now.
    """
    rows = frame[wanted(frame)]
    dates = dict(zip(rows["row_id"], rows["date"], strict=True))
    cells = set(rows["config_hash"])
    new: dict[str, Curves] = {}
    for file in sorted(runs.glob(f"*{ENDING}")):
        base = file.with_name(file.name.removesuffix(ENDING))
        if base.name.rsplit("-", 1)[-1] in cells:
            new |= {line["row_id"]: curves for line, curves in curves_of_cell(base)
                    if dates.get(line["row_id"]) == line["date"]}
    return add_curves(leaderboard, new, set(dates))


def wanted(frame: pd.DataFrame) -> pd.Series:
    """Which of a leaderboard's rows have their curves kept."""
    return (frame["status"] == "ok") & (frame["kind"] == "attack") & (frame["seed"] == DEV_SEED)


def add_curves(leaderboard: Path, new: Mapping[str, Curves], keep: set[str] | None = None) -> int:
    """Put rows' curves into the file beside a leaderboard's CSV, atomically and under a lock; of those that are there,
    keep the ones of the rows ``keep``, or all. Returns how many rows have curves now."""
    with locked(curves_file(leaderboard), wait=LOCK_SECONDS):
        old = read_gathered(leaderboard)
        found = {row: curves for row, curves in old.items() if keep is None or row in keep} | dict(new)
        if found != old:
            text = json.dumps({row: asdict(curves) for row, curves in found.items()}, sort_keys=True,
                              separators=(",", ":"), allow_nan=False)
            write_atomic(curves_file(leaderboard), gzip.compress(text.encode(), mtime=0))
    return len(found)


def read_gathered(leaderboard: Path) -> dict[str, Curves]:
    """Row id -> curves, of the file beside a leaderboard's CSV; none if there is no such file.

    Raises BenchError if the file is not one of ours.
    """
    file = curves_file(leaderboard)
    if not file.exists():
        return {}
    return valid(GATHERED, parse_json(inflated(file), file), file, "file of curves",
                 "; delete it, and the leaderboard command gathers them again")


def curves_of_cell(base: Path) -> list[tuple[dict[str, Any], Curves]]:
    """The rows of the result ``base``, as the CSV has them, with their curves; none where there are no curves."""
    result, curves = read_result(base), read_curves(base)
    if result is None or curves is None:
        return []
    return list(zip(result_rows(result), curves, strict=False))
