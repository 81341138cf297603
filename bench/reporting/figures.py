"""Pictures: the paper's learning curves (Fig. 2) and conduct of the clean agents (Fig. 4), and what stealth costs."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

WITHOUT, WITH = "#3b6ea5", "#c0392b"  # told apart by the colour-blind, too
STYLE: dict[Any, Any] = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
                         "axes.grid": True, "grid.alpha": 0.25, "axes.axisbelow": True, "legend.frameon": False}


def curves(title: str, curve: list[dict[str, float]], clean: list[dict[str, float]]) -> Figure:
    """Win rate and return of held-out battles while the backdoor is put in, with the trigger and without it."""
    rows = pd.DataFrame(curve)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        axes = figure.subplots(1, 2)
        for axis, name, level, label in ((axes[0], "win", "win_rate", "win rate"),
                                         (axes[1], "return", "return", "return (a perfect win is 20)")):
            for side, colour, what in (("clean", WITHOUT, "no trigger"), ("triggered", WITH, "trigger shown")):
                axis.plot(rows["steps"] / 1e6, rows[f"{name}_{side}"], color=colour, marker="o", ms=3, label=what)
            axis.axhline(clean[-1][level], color="black", ls=":", lw=1, label="clean team")
            axis.set(xlabel="environment steps of injection, millions", ylabel=label)
            axis.locator_params(axis="x", nbins=5)
            axis.set_ylim(0, 1.02 if name == "win" else None)
        axes[0].legend(loc="center right")
        figure.suptitle(title)
    return figure


def conduct(title: str, table: pd.DataFrame) -> Figure:
    """Mean shares of the clean agents' actions by phase (of :func:`bench.harness.scenes.conduct`), 95 % intervals."""
    names = list(dict.fromkeys(table["figure"]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        axes = figure.subplots(1, 2, sharey=True)
        titles = {"before": "while the trigger is shown", "during": "during the attack"}
        for axis, (phase, what) in zip(axes, titles.items(), strict=True):
            rows = table[table["phase"] == phase].set_index("figure").loc[names]
            for offset, side, colour in ((-0.2, "without", WITHOUT), (0.2, "with", WITH)):
                value, low, high = (rows[f"{side}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
                axis.bar(np.arange(len(names)) + offset, value, 0.4, color=colour, label=f"{side} the trigger",
                         yerr=np.stack([value - low, high - value]), error_kw={"lw": 1})
            for i, (_, row) in enumerate(rows.iterrows()):
                top = np.nanmax([row["without_high"], row["with_high"], 0])
                axis.text(i, top + 0.02, _stars(row["p"]), ha="center", fontsize=9)
            axis.set_xticks(range(len(names)), names, rotation=30, ha="right")
            axis.set_title(what)
        axes[0].set_ylabel("mean over battles")
        axes[0].set_ylim(0, 1.05)
        axes[0].legend(loc="upper left")
        figure.suptitle(f"{title}\n* p < .01, ** p < .0001 (paired over battles)", fontsize=10)
    return figure


def frontier(title: str, table: pd.DataFrame) -> Figure:
    """What a trigger that is rarer in clean play gains and costs (of :func:`bench.reporting.sweep.frame`): ASR of each
    algorithm, and each detector's AUROC before onset, against the accidental triggers in 1,000 clean battles."""
    table = table[table["error"].isna()].sort_values("accidental")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        axes = figure.subplots(1, 2)
        for algo, rows in table.drop_duplicates(["algo", "checkpoint"]).groupby("algo"):
            _line(axes[0], rows, "asr", str(algo).upper())
        for (name, detector), rows in table.groupby(["algo", "detector"]):
            _line(axes[1], rows, "before_auroc", f"{detector} ({str(name).upper()})")
        axes[1].axhline(0.5, color="black", ls=":", lw=1)
        for axis, label in zip(axes, ("attack success rate", "AUROC before onset (chance .5)"), strict=True):
            axis.set_xscale("symlog", linthresh=1)
            axis.set(xlabel="accidental triggers in 1,000 clean battles", ylabel=label, ylim=(0, 1.03), xlim=(0, None))
            axis.legend(loc="lower right", fontsize=8)
        figure.suptitle(title)
    return figure


def _line(axis: Any, rows: pd.DataFrame, figure: str, label: str) -> None:
    """Values with their 95 % intervals against the rate of accidental triggers."""
    value, low, high = (rows[f"{figure}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    axis.errorbar(1_000 * rows["accidental"], value, yerr=np.stack([value - low, high - value]), marker="o", ms=4, lw=1,
                  capsize=2, label=label)


def _stars(p: Any) -> str:
    return "" if p is None or pd.isna(p) or p >= 0.01 else "**" if p < 0.0001 else "*"


def png(figure: Figure) -> bytes:
    """The picture's file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
