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
    """Two Markdown tables: what each attack does, and what each detector makes of it, controls included."""
    frame = frame[frame["status"] == "ok"]
    for column in ("benchmark_version", "env", "env_version"):
        if len(frame[column].unique()) > 1:
            raise BenchError(f"a table cannot mix results of several values of {column}")
    parts = []
    attacks = frame.drop_duplicates(["algo", "attack", "seed", "sha256_backdoored"])
    columns = {"clean team wins": "win_clean_team", "backdoored team wins": "win_backdoored",
               "under the trigger": "win_triggered", "**ASR**": "asr", "**CPVR**": "cpvr",
               "accidental triggers": "accidental"}
    parts.append(grid(["algorithm", "seed", "attack", *columns], [
        [row["algo"], str(row["seed"]), row["attack"], *(_percent(row, name) for name in columns.values())]
        for _, row in attacks.iterrows()]))
    columns = {"before onset": "before_auroc", "after onset": "after_auroc", "whole battle": "whole_auroc",
               "alarms @5 %": "whole_rate_5"}
    lines = frame.drop_duplicates(["algo", "attack", "seed", "row_detector", "team", "triggered"])
    parts.append(grid(["algorithm", "seed", "detector", "team", "trigger", *columns], [
        [row["algo"], str(row["seed"]), row["row_detector"], row["team"], "shown" if row["triggered"] else "none",
         *(_number(row, name) for name in columns.values())]
        for _, row in lines.sort_values(["algo", "seed", "kind", "row_detector"]).iterrows()]))
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


def _number(row: pd.Series, name: str) -> str:
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


if __name__ == "__main__":
    text = read_bytes(README).decode()
    write_atomic(README, with_table(text, results_table(read_leaderboard(CSV))).encode())
