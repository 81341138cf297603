"""A row of the leaderboard beside the same row measured again."""

from __future__ import annotations

import pandas as pd

from bench import BENCHMARK
from bench.errors import BenchError, unknown

ROUNDING = 1e-5  # of a figure's size: those that are stored have six digits


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


def compare(stored: pd.Series, now: pd.Series) -> pd.DataFrame:
    """Every figure of the stored row that has an interval: ``figure``, ``stored``, ``low``, ``high``, ``now`` and
    whether it is ``inside``. A figure that is missing now is outside."""
    lines = []
    for low in (name for name in stored.index if name.endswith("_low") and pd.notna(stored[name])):
        figure = low.removesuffix("_low")
        ends = stored[low], stored[f"{figure}_high"]
        slack = ROUNDING * max(1, abs(ends[0]))
        inside = pd.notna(now[figure]) and ends[0] - slack <= now[figure] and not now[figure] > ends[1] + slack
        lines.append({"figure": figure, "stored": stored[figure], "low": ends[0], "high": ends[1],
                      "now": now[figure], "inside": bool(inside)})
    return pd.DataFrame(lines)
