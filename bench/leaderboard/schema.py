"""The tables' columns (:mod:`bench.leaderboard.columns`) checked on every write and read, and documented.

``python -m bench.leaderboard.schema`` writes their description, ``leaderboard/SCHEMA.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import pandas_dtype

from bench.artifacts.files import write_atomic
from bench.contracts import STAND_IN
from bench.errors import BenchError, unknown
from bench.leaderboard.columns import BY_NAME, COLUMNS, KINDS, LINE, OF_TEAM, STEALTH, TYPES, Column

DOCUMENT = Path("leaderboard/SCHEMA.md")
ROUNDING = 1e-9  # an interval of a share may end that far outside [0, 1]


def validated(frame: pd.DataFrame, what: str, columns: Sequence[Column] = COLUMNS) -> pd.DataFrame:
    """The frame with all columns in their order and with their types; those that it lacks are empty.

    Parameters
    ----------
    frame : lines of a table, by default of a leaderboard, of whatever types.
    what : what the lines are, for errors: "FILE".
    columns : those of the table.

    Raises
    ------
    BenchError : a column is unknown, or a value is missing, of the wrong type, out of range or not among those allowed.
    """
    kind = "leaderboard" if columns is COLUMNS else "table of stealth"
    known = [column.name for column in columns]
    for column in columns:
        if column.required and column.name not in frame:
            raise BenchError(f"{what} is no {kind}: it has no column '{column.name}'")
    for name in frame:
        if name not in known:
            raise unknown(f"column in {what}", name, known)
    plain = _plain(frame, columns)
    checked = pd.DataFrame({
        column.name: plain[column.name] if column.name in plain
        else _checked(frame[column.name], column, what) if column.name in frame
        else pd.Series(np.nan, frame.index, dtype=pandas_dtype(TYPES[column.kind])) for column in columns})
    _refuse(checked["env_version"].str.startswith(STAND_IN), checked["env_version"], what,
            "what was measured on a stand-in of a simulator is no result")
    lows = [name for name in known if name.endswith("_low")]
    highs = [f"{name.removesuffix('low')}high" for name in lows]
    crossed = checked[lows].to_numpy() > checked[highs].to_numpy() + ROUNDING
    for k in np.nonzero(crossed.any(0))[0]:
        _refuse(pd.Series(crossed[:, k]), checked[lows[k]], what, "the interval's low end is above its high end")
    return checked


def _plain(frame: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The columns of shares and numbers, checked all at once; none of them where any value is wrong, so that
    :func:`_checked` says which."""
    floats = [column for column in columns if column.kind in ("share", "number") and column.name in frame
              and not column.required]
    try:
        typed = frame[[column.name for column in floats]].astype("float64")
    except (ValueError, TypeError, OverflowError):
        return pd.DataFrame(index=frame.index)
    values = typed.to_numpy()
    shares = np.array([column.kind == "share" for column in floats], bool)
    wrong = np.isinf(values) | (shares & ((values < -ROUNDING) | (values > 1 + ROUNDING)))
    return pd.DataFrame(index=frame.index) if wrong.any() else typed


def _checked(values: pd.Series, column: Column, what: str) -> pd.Series:
    if column.kind == "flag":
        flags = values.map({True: True, False: False, "True": True, "False": False}, na_action="ignore")
        _refuse(values.notna() & flags.isna(), values, what, f"allowed: {KINDS['flag']}")
        values = flags
    try:
        typed = values.astype(pandas_dtype(TYPES[column.kind]))
    except (ValueError, TypeError, OverflowError):
        raise BenchError(f"{what}: column '{column.name}' holds something else than {KINDS[column.kind]}") from None
    if column.required:
        _refuse(typed.isna(), typed, what, "it must not be empty")
    if column.allowed:
        _refuse(typed.notna() & ~typed.isin(column.allowed), typed, what, f"allowed: {', '.join(column.allowed)}")
    if column.kind == "count":
        _refuse(typed < 0, typed, what, "allowed: 0 or more")
    if column.kind == "share":
        _refuse((typed < -ROUNDING) | (typed > 1 + ROUNDING), typed, what, "allowed: 0 to 1")
    if column.kind == "number":
        _refuse(typed.isin([np.inf, -np.inf]), typed, what, "it must be finite")
    return typed


def _refuse(wrong: pd.Series, values: pd.Series, what: str, why: str) -> None:
    wrong = wrong.fillna(False).astype(bool)
    if wrong.any():
        line = int(wrong.to_numpy().argmax())
        raise BenchError(f"{what}, line {line + 2}: {values.name} is {str(values.iloc[line])[:80]}; {why}")


def document() -> str:
    """The schema in Markdown."""
    intervals = "`_low`, `_high`: 95 %: Wilson for rates, log-ratio for ASRs and CPVR, bootstrap over battles for"
    lines = ["# leaderboard.csv", "",
             "Generated from `bench/leaderboard/columns.py` by `python -m bench.leaderboard.schema`. A row is a "
             f"detector on a team; a figure without a value is empty. {intervals} AUROC, AUPRC and VUS-PR.", "",
             *_described([column for column in COLUMNS if column.name not in OF_TEAM]), "", "# teams.csv", "",
             f"What all rows of a team share. A row of leaderboard.csv belongs to the line here of the same `{LINE}`, "
             f"12 hex digits of a hash: with pandas, `rows.merge(teams, on=\"{LINE}\")` has all columns, as has a CSV "
             "that `python -m bench run` adds rows to, until `python -m bench leaderboard` has packed it. A floor has "
             "one row a team, in one of its cells.", "",
             *_described([BY_NAME[name] for name in OF_TEAM]), "", "# stealth.csv", "",
             f"`python -m bench stealth` writes it beside the leaderboard. A row is a team. {intervals} AUROC: what "
             "more battles of the same team would bring, not what another team would.", "", *_described(STEALTH)]
    return "\n".join(lines) + "\n"


def _described(columns: Sequence[Column]) -> list[str]:
    """Columns as a Markdown table, a figure and its interval in one line."""
    lines, names = ["| column | values | never empty | meaning |", "|---|---|---|---|"], {c.name for c in columns}
    for column in columns:
        values = ", ".join(column.allowed) or KINDS[column.kind]
        interval = f" (also `{column.name}_low`, `{column.name}_high`)" if f"{column.name}_low" in names else ""
        if column.name.removesuffix("_low").removesuffix("_high") == column.name:
            lines.append(f"| `{column.name}`{interval} | {values} | {'yes' if column.required else ''} | "
                         f"{column.meaning} |")
    return lines


if __name__ == "__main__":
    write_atomic(DOCUMENT, document().encode())
