"""A leaderboard as it is shipped: what all rows of a team share stands once, in a file beside the CSV."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from bench.artifacts.files import write_atomic
from bench.artifacts.reading import read_table
from bench.errors import BenchError
from bench.leaderboard.columns import LINE, OF_TEAM

DIGITS = "%.6g"


def teams_file(leaderboard: Path) -> Path:
    """``teams.csv`` beside ``leaderboard.csv``, ``NAME.teams.csv`` beside any other ``NAME.csv``."""
    name = leaderboard.name.removesuffix(".csv")
    return leaderboard.with_name("teams.csv" if leaderboard.name == "leaderboard.csv" else f"{name}.teams.csv")


def pack(leaderboard: Path, frame: pd.DataFrame) -> None:
    """Write a leaderboard's rows to its CSV and what those of a team share to the file beside it, figures to six
    digits. A floor, which is the same whatever the cell's detector, keeps one row a team."""
    rows, teams = packed(frame)
    for path, table in ((teams_file(leaderboard), teams), (leaderboard, rows)):  # the rows that are there know no lines
        write_atomic(path, table.to_csv(index=False, float_format=DIGITS).encode())


def packed(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A leaderboard's rows without the columns ``OF_TEAM``, and those, each line once; ``LINE`` is the hash of a row's
    line."""
    shared = frame[list(OF_TEAM)]
    lines = pd.Series(shared.to_csv(index=False, header=False, float_format=DIGITS).splitlines(), frame.index)
    hashes = {line: hashlib.sha256(line.encode()).hexdigest()[:12] for line in lines.unique()}
    rows, teams = frame.drop(columns=list(OF_TEAM)), shared[~lines.duplicated()].copy()
    rows.insert(0, LINE, lines.map(hashes))
    teams.insert(0, LINE, lines[teams.index].map(hashes))
    again = (rows["kind"] == "floor") & rows.duplicated([LINE, "defender", "team", "triggered", "row_detector"])
    return rows[~again].reset_index(drop=True), teams.reset_index(drop=True)


def unpacked(rows: pd.DataFrame, leaderboard: Path) -> pd.DataFrame:
    """Rows of :func:`pack` with all their columns; others as they are.

    Raises BenchError if the file beside the CSV is missing, or lacks a row's team.
    """
    if LINE not in rows:
        return rows
    file = teams_file(leaderboard)
    if not file.exists():
        raise BenchError(f"{leaderboard} leaves to {file.name} what all rows of a team share, and {file} is not there; "
                         "allowed: both files, side by side")
    teams = read_table(file, keep_default_na=False, na_values=[""], dtype=str)
    if LINE not in teams or teams[LINE].duplicated().any():
        raise BenchError(f"{file} is no table of teams: its column '{LINE}' is missing, or names a line twice")
    if unknown := sorted(set(rows[LINE].astype(str)).difference(teams[LINE])):
        raise BenchError(f"{leaderboard} has rows of the team {unknown[0]}, and {file} has not: they belong to "
                         "different leaderboards")
    return rows.merge(teams, on=LINE, how="left").drop(columns=LINE)
