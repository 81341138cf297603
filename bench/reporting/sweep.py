"""A sweep as one table: the attack's figures of every cell, beside those of a paper where the sweep names some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from scipy import stats

from bench.contracts import Cell, Estimate, Result

FIGURES = {"win_clean_team": "clean team wins", "win_backdoored": "backdoored team wins",
           "win_triggered": "under the trigger", "asr": "ASR", "cpvr": "CPVR"}
METRICS = ("asr", "cpvr")
AUROC = {"before_auroc": "AUROC before", "after_auroc": "AUROC after"}


def frame(cells: Sequence[Cell], paper: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One line a cell: its settings (None where the cell leaves the default), each figure with its 95 % interval, the
    rate of accidental triggers and the detector's AUROC before and after onset likewise, the paper's ASR and CPVR as
    shares, the error.

    The paper's line for a cell is the one with the same settings, whatever the seed.
    """
    names = list(dict.fromkeys(name for cell in cells for name in cell.settings))
    lines = []
    for cell in cells:
        line: dict[str, Any] = {name: " ".join(map(str, value)) if isinstance(value, list) else value
                                for name in names for value in [cell.settings.get(name)]}
        for name, found in _estimates(cell.result).items():
            line |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
        theirs = next((row for row in paper if {k: v for k, v in row.items() if k not in METRICS}
                       == {k: v for k, v in cell.settings.items() if k != "seed"}), {})
        line |= {f"paper_{name}": theirs[name] / 100 if name in theirs else None for name in METRICS}
        lines.append(line | {"config_hash": cell.result.config_hash if cell.result else None,
                             "checkpoint": cell.result.checkpoint_id if cell.result else None, "error": cell.error})
    return pd.DataFrame(lines)


def _estimates(result: Result | None) -> dict[str, Estimate]:
    names = [*FIGURES, "accidental"]
    if result is None:
        return dict.fromkeys([*names, *AUROC], Estimate(None))
    phases = result.rows[0].phases  # of the detector on the backdoored team, shown the trigger
    return {name: getattr(result.figures, name) for name in names} | {
        name: phases[name.removesuffix("_auroc")].auroc for name in AUROC}


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Lines that differ in the seed alone as one, in the place of the first: the mean of each figure and, of two seeds
    or more, the 95 % t interval of that mean over the seeds, in "seeds" how many they are. Others stay as they are."""
    if "seed" not in table:
        return table
    settings = [name for name in table.columns[: list(table.columns).index("win_clean_team")] if name != "seed"]
    figures = [name.removesuffix("_low") for name in table.columns if name.endswith("_low")]
    lines = []
    for _, group in table.groupby(settings, sort=False, dropna=False) if settings else [((), table)]:
        measured = group.dropna(subset="win_clean_team")
        n = len(measured)
        first = (measured if n else group).iloc[0].drop("seed").to_dict()
        line = {name: first.pop(name) for name in settings} | {"seeds": n} | first
        for name in figures if n > 1 else ():
            mean, reach = group[name].mean(), stats.t.ppf(0.975, n - 1) * group[name].sem()
            line |= {name: mean, f"{name}_low": mean - reach, f"{name}_high": mean + reach}
        lines.append(line | {"error": "; ".join(group["error"].dropna()) or None})
    return pd.DataFrame(lines)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The same for people, seeds together: percentages with their intervals in brackets, names of settings without
    their path."""
    table = over_seeds(table)
    settings = list(table.columns[: list(table.columns).index("win_clean_team")])
    out: dict[str, list[str]] = {
        name.rsplit(".", 1)[-1]: ["default" if pd.isna(value) else str(value) for value in table[name]]
        for name in settings}
    shown = FIGURES | {"accidental": "accidental"} | AUROC if "detector" in settings else FIGURES
    for name, title in shown.items():
        out[f"{title}, %"] = [_percent(*row) for row in table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)]
    if table["paper_asr"].notna().any():
        out |= {f"paper's {name.upper()}, %": [_percent(value) for value in table[f"paper_{name}"]] for name in METRICS}
    if table["error"].notna().any():
        out["error"] = list(table["error"].fillna(""))
    return pd.DataFrame(out)


def _percent(value: float, *interval: float) -> str:
    if pd.isna(value):
        return ""
    return f"{100 * value:.1f}" + (f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else "")
