"""The table of stealth beside a leaderboard's CSV: a line a team, by the sha256 of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench import BENCHMARK
from bench.artifacts.files import locked, write_atomic
from bench.artifacts.reading import read_table
from bench.contracts import Distinguished, Estimate, Stealth
from bench.leaderboard.columns import STEALTH
from bench.leaderboard.rows import LOCK_SECONDS
from bench.leaderboard.schema import validated

FLAGS = {"conspicuous": "conspicuous", "no_backdoor": "no backdoor (CPVR above 5 %)"}  # column of with_stealth -> words


def stealth_file(leaderboard: Path) -> Path:
    """``stealth.csv`` beside ``leaderboard.csv``, ``NAME.stealth.csv`` beside any other ``NAME.csv``."""
    name = leaderboard.name.removesuffix(".csv")
    return leaderboard.with_name("stealth.csv" if leaderboard.name == "leaderboard.csv" else f"{name}.stealth.csv")


def stealth_row(found: Stealth, **about: Any) -> pd.DataFrame:
    """The table's line of a team: ``about`` names it; an estimate x becomes x, x_low and x_high."""
    line = about | {"backdoor": found.backdoor, "conspicuous": found.conspicuous}
    for name, value in vars(found).items():
        line |= _flat(name, value)
    return _table([line])


def _table(lines: list[dict[str, Any]]) -> pd.DataFrame:
    columns = None if lines else [column.name for column in STEALTH]
    return validated(pd.DataFrame(lines, columns=columns), "the new row", STEALTH)


def _flat(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Distinguished):
        return _flat(name, value.auroc) | {f"{name}_statistic": value.statistic}
    if isinstance(value, Estimate):
        return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return {} if value is None else {name: value}


def read_stealth(leaderboard: Path) -> pd.DataFrame:
    """The table beside a leaderboard's CSV, without lines if there is none.

    Raises BenchError if the file there is none of ours.
    """
    path = stealth_file(leaderboard)
    if not path.exists():
        return _table([])
    frame = read_table(path, keep_default_na=False, na_values=[""], dtype={
        column.name: str for column in STEALTH if column.kind == "text"})
    return validated(frame, str(path), STEALTH)


def known(frame: pd.DataFrame, weights: str, env_version: str, battles: int) -> pd.DataFrame:
    """The line of the team with this sha256, measured by this release's rules in so many battles or more; empty if
    there is none."""
    return frame[((frame["checkpoint_sha256"] == weights) & (frame["env_version"] == env_version)
                  & (frame["benchmark_version"] == BENCHMARK) & (frame["battles"] >= battles)).fillna(False)]


def add_row(leaderboard: Path, row: pd.DataFrame) -> None:
    """Put a team's line into the table beside a leaderboard's CSV, in the place of one of the same team; atomically and
    under a lock."""
    path = stealth_file(leaderboard)
    with locked(path, wait=LOCK_SECONDS):
        old = read_stealth(leaderboard)
        kept = old[old["checkpoint_sha256"] != row["checkpoint_sha256"].iloc[0]]
        both = row if kept.empty else pd.concat([kept, row], ignore_index=True)
        write_atomic(path, both.to_csv(index=False).encode())


def with_stealth(frame: pd.DataFrame, stealth: pd.DataFrame | None) -> pd.DataFrame:
    """A leaderboard's rows with what the table of stealth says of their teams, by the sha256 of the weights:
    ``distinguishability`` (not a number where it says nothing), ``conspicuous`` and ``no_backdoor`` (False there)."""
    stealth = _table([]) if stealth is None else stealth
    teams = stealth.drop_duplicates("checkpoint_sha256", keep="last").set_index("checkpoint_sha256")
    keys = frame["checkpoint_sha256"]
    return frame.assign(
        distinguishability=keys.map(teams["distinguishability"]).astype(float),
        conspicuous=keys.isin(teams.index[teams["conspicuous"].fillna(False).astype(bool)]),
        no_backdoor=keys.isin(teams.index[~teams["backdoor"].fillna(True).astype(bool)]))


def marked(rows: pd.DataFrame) -> list[str]:
    """Of each row of :func:`with_stealth`, what has to be said of its team in tables; nothing of most."""
    return [said(flags) for flags in rows[list(FLAGS)].to_dict("records")]


def said(flags: Mapping[Any, bool]) -> str:
    """The words of those flags of :data:`FLAGS` that are set: "conspicuous"."""
    return ", ".join(words for name, words in FLAGS.items() if flags[name])
