"""The README's results table, generated from the leaderboard's CSV: ``python -m bench.reporting.markdown``."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from bench.artifacts.files import read_bytes, write_atomic
from bench.errors import BenchError
from bench.reporting.leaderboard import read_leaderboard

CSV, README = Path("leaderboard/leaderboard.csv"), Path("README.md")
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def results_table(frame: pd.DataFrame) -> str:
    """Two Markdown tables: what the attack does to each team, and what each detector makes of it, controls included,
    as the mean over the seeds with the lowest and the highest seed in brackets."""
    frame = frame[frame["status"] == "ok"]
    for column in ("benchmark_version", "env", "env_version"):
        if len(frame[column].unique()) > 1:
            raise BenchError(f"a table cannot mix results of several values of {column}")
    columns = {"clean team wins": "win_clean_team", "backdoored team wins": "win_backdoored",
               "under the trigger": "win_triggered", "**ASR**": "asr", "**CPVR**": "cpvr",
               "accidental triggers": "accidental"}
    lines = []
    attacks = frame.drop_duplicates(["algo", "attack", "seed"]).groupby(["algo", "attack"])
    for (algo, attack), teams in attacks:
        for _, row in teams.sort_values("seed").iterrows():
            figures = (_percent(row, name) for name in columns.values())
            lines.append([str(algo), str(attack), str(row["seed"]), *figures])
        if len(teams) > 1:
            means = (f"**{100 * teams[name].mean():.1f} %**" for name in columns.values())
            lines.append([str(algo), str(attack), "**mean**", *means])
    parts = [grid(["algorithm", "attack", "seed", *columns], lines)]
    columns = {"before onset": "before_auroc", "after onset": "after_auroc", "whole battle": "whole_auroc",
               "alarms @5 %": "whole_rate_5"}
    cell = ["algo", "kind", "row_detector", "team", "triggered"]
    once = frame.drop_duplicates([*cell, "attack", "seed"])
    parts.append(grid(["algorithm", "detector", "team", "trigger", *columns], [
        [str(algo), str(detector), str(team), "shown" if triggered else "none",
         *(_spread(rows[name]) for name in columns.values())]
        for (algo, _, detector, team, triggered), rows in once.groupby(cell)]))
    return "\n\n".join(parts)


def with_table(readme: str, table: str) -> str:
    """The README's text with the part between the two marks replaced."""
    return re.sub(f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})", lambda _: f"{table}\n", readme, flags=re.DOTALL)


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table of texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(row: pd.Series, name: str) -> str:
    return f"{100 * row[name]:.1f} % ({100 * row[f'{name}_low']:.1f} to {100 * row[f'{name}_high']:.1f})"


def _spread(values: pd.Series) -> str:
    if len(values) == 1:
        return f"{values.iloc[0]:.2f}"
    return f"{values.mean():.2f} ({values.min():.2f} to {values.max():.2f})"


if __name__ == "__main__":
    text = read_bytes(README).decode()
    write_atomic(README, with_table(text, results_table(read_leaderboard(CSV))).encode())
