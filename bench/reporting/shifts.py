"""False alarms under benign shifts, as a table for people."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.table import Table

from bench import options


def table(found: pd.DataFrame) -> Table:
    """What :func:`bench.harness.shifts.counted` found."""
    one = found.iloc[0]
    shown = Table(box=box.SIMPLE_HEAD, title_justify="left", title_style="bold",
                  title=f"{one['detector']} on {one['attack']}, {one['algo']}, {one['env']}, seed {one['seed']}: false "
                        f"alarms in {one['battles']:,} battles each, at thresholds from usual battles")
    figures = {"wins": "wins", "alarms_at_1": "alarms @1 % ↓", "alarms_at_5": "alarms @5 % ↓"}
    if found["wins_responding"].notna().any():
        figures["wins_responding"] = f"wins with {one['response']} ↑"
    for column in ("battles", *figures.values(), "what it is"):
        shown.add_column(column, justify="left" if column in ("battles", "what it is") else "right")
    for row in found.to_dict("records"):
        usual = row["shift"] == "none"
        what = "as usual: thresholds promise 1 % and 5 %" if usual else options.summary("shift", row["shift"])
        shown.add_row("as usual" if usual else row["shift"],
                      *(_share(row, name) for name in figures), what,
                      style="dim" if usual else "")
    return shown


def _share(row: dict, name: str) -> str:
    value, low, high = (row[name + end] for end in ("", "_low", "_high"))
    return "-" if pd.isna(value) else f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
