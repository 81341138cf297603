"""When the teams that judge detectors were looked at, and by which detectors: a log beside the leaderboard's CSV.

Detectors are frozen before held-out teams are measured. What they were then, git's hash of the folder ``detectors`` in
the rows' commit says: ``git rev-parse COMMIT:detectors`` gives it to anybody.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from bench.artifacts.files import write_atomic
from bench.artifacts.reading import read_table

FROZEN = ("detectors", "conf/detector", "conf/view")  # folders of a commit
KEY = ["benchmark_version", "split", "git_sha"]
COLUMNS = [*KEY, *FROZEN, "first", "last", "cells"]


def readings_file(leaderboard: Path) -> Path:
    """``readings.csv`` beside ``leaderboard.csv``, ``NAME.readings.csv`` beside any other ``NAME.csv``."""
    name = leaderboard.name.removesuffix(".csv")
    return leaderboard.with_name("readings.csv" if name == "leaderboard" else f"{name}.readings.csv")


def log(leaderboard: Path, frame: pd.DataFrame, tree: Callable[[str, str], str | None] | None = None) -> pd.DataFrame:
    """Write what the rows of held-out teams tell into the log, a line a split and commit: when its first and last cell
    was measured, how many there are, and the hashes of the folders ``FROZEN``. A line stays when its rows are gone.

    ``tree`` (commit, folder) gives a folder's hash, by default as git in the working folder knows it, empty where it
    does not. Returns the log.
    """
    file, tree = readings_file(leaderboard), tree or tree_of
    rows = frame[(frame["status"] == "ok") & (frame["split"] != "dev").fillna(False) & frame["git_sha"].notna()]
    found = rows.groupby(KEY, as_index=False).agg(first=("date", "min"), last=("date", "max"),
                                                 cells=("config_hash", "nunique"))
    for folder in FROZEN:
        found[folder] = [tree(commit, folder) for commit in found["git_sha"]]
    old = read_table(file, dtype=str).astype({"cells": int}) if file.exists() else pd.DataFrame(columns=COLUMNS)
    both = pd.concat([found.astype(object), old]).drop_duplicates(KEY)[COLUMNS].sort_values(["first", *KEY])
    write_atomic(file, both.to_csv(index=False).encode())
    return both.reset_index(drop=True)


def tree_of(commit: str, folder: str) -> str | None:
    """Git's hash of a folder in a commit; None where git, or the commit, is not there, or files differed from it."""
    git, root = shutil.which("git"), Path(__file__).parents[2]
    if git is None or not re.fullmatch("[0-9a-f]{40}", commit):
        return None
    found = subprocess.run([git, "-C", str(root), "rev-parse", "--verify", "--quiet",  # noqa: S603
                            f"{commit}:{folder}"], check=False, capture_output=True, encoding="utf-8")
    return found.stdout.strip() or None
