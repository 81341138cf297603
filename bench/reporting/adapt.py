"""What came of a search for an attack that a detector does not see, as tables for people."""

from __future__ import annotations

import shlex

import pandas as pd
from rich import box
from rich.table import Table

SHOWN = 6  # candidates of a round
ROUNDS = {"screening": "screening", "finals": "finals: the best of the screening, in other battles",
          "held out": "held out: a puppet in the protocol's battles",
          "injected": "injected: the real teams in the protocol's battles"}
STYLES = {"original": "", "chosen": "bold", "candidate": "dim"}


def rounds(table: pd.DataFrame) -> list[Table]:
    """A table a round of :class:`bench.harness.searching.Adapted`: the original, the chosen and the best candidates."""
    return [_round(ROUNDS[name], table[table["round"] == name]) for name in ROUNDS if (table["round"] == name).any()]


def _round(title: str, lines: pd.DataFrame) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in ("attack", "AUROC before ↓", "after ↓", "whole ↓", "ASR ↑", "CPVR ↓", "accidents ↓"):
        table.add_column(column, justify="left" if column == "attack" else "right")
    candidates = lines[lines["role"] == "candidate"].head(SHOWN)
    for _, line in lines[(lines["role"] != "candidate") | lines.index.isin(candidates.index)].iterrows():
        what = "as configured" if line["role"] == "original" else _words(line["overrides"])
        table.add_row(what, *(_number(line, name) for name in ("before", "after", "whole")),
                      *(_percent(line, name) for name in ("asr", "cpvr")), f"{line['accidents']:.1%}",
                      style=STYLES[line["role"]])
    return table


def _words(overrides: str) -> str:
    """Overrides as people read them: "zeta [west, east]", a line each."""
    return "\n".join(word.removeprefix("attack.").removeprefix("trigger.").replace("'", "").replace("=", " ", 1)
                     for word in shlex.split(overrides))


def _number(line: pd.Series, name: str) -> str:
    return "-" if pd.isna(line[name]) else f"{line[name]:.2f} ({line[f'{name}_low']:.2f}-{line[f'{name}_high']:.2f})"


def _percent(line: pd.Series, name: str) -> str:
    return "-" if pd.isna(line[name]) else f"{line[name]:.1%}"
