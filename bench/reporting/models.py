"""Tables of what a model detector makes of teams."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.table import Table

from bench.contracts import Estimate, ModelFigures

FLAGGED = 0.5  # a probability from which on a team counts as flagged
AGAINST = {"all": "all others", "clean": "clean", "retrained": "benignly retrained", "disguised": "disguised clean"}


def by_split(detector: str, figures: Sequence[ModelFigures]) -> Table:
    """The figures of every split; the dev split's are those of the teams that probabilities were learned on."""
    table = Table("teams", "against", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", title=(
        f"{detector}: is the team backdoored? 95 % intervals over checkpoints; who knows nothing has AUROC .50, "
        "cross-entropy .693 and Brier score .25. Probabilities were learned on dev"))
    for column in ("n", "AUROC ↑", "cross-entropy ↓", "Brier ↓", "ECE ↓"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in figures:
        table.add_row(row.split, AGAINST[row.against], f"{row.n_backdoored} / {row.n_others}", _number(row.auroc, 2),
                      _number(row.cross_entropy, 3), _number(row.brier, 3), _number(row.calibration_error, 2),
                      style="bold" if row.against == "all" and row.split != "dev" else "")
    return table


def by_attack(rows: pd.DataFrame) -> Table:
    """How many teams of each attack are flagged, the teams without a backdoor first."""
    table = Table("attack", "backdoored", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold",
                  title=f"flagged at {FLAGGED} (mean probability)")
    splits = list(rows["split"].unique())
    for split in splits:
        table.add_column(split, justify="right")
    for (backdoored, attack), some in rows.groupby(["backdoored", "attack"]):
        cells = [some.loc[some["split"] == split, "probability"] for split in splits]
        table.add_row(str(attack), "yes" if backdoored else "no", *(
            f"{(cell >= FLAGGED).sum()} of {len(cell)} ({cell.mean():.2f})" if len(cell) else "-" for cell in cells))
    return table


def by_checkpoint(rows: pd.DataFrame) -> Table:
    """The probability of every checkpoint, the greatest first, and its label if that is known."""
    table = Table("checkpoint", "backdoored", box=box.SIMPLE_HEAD)
    table.add_column("probability", justify="right")
    for row in rows.sort_values("probability", ascending=False, kind="stable").to_dict("records"):
        label = "not told" if pd.isna(row["backdoored"]) else "yes" if row["backdoored"] else "no"
        table.add_row(row["checkpoint"], label, f"{row['probability']:.3f}")
    return table


def _number(estimate: Estimate, digits: int) -> str:
    if estimate.value is None:
        return "-"
    value, low, high = (f"{number:.{digits}f}" for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"
