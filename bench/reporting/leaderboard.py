"""The leaderboard's CSV: one line a row of a result. A cell's lines are replaced together, all others kept."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from bench.artifacts.files import locked, read_bytes, write_atomic
from bench.contracts import Estimate, Figures, Result
from bench.errors import BenchError

CELL = ["benchmark_version", "env", "env_version", "config_hash"]
LOCK_SECONDS = 60  # a writer needs milliseconds; several may queue


def add_rows(path: Path, result: Result) -> None:
    """Add a result's rows to the CSV at ``path``, atomically and under a lock.

    Raises BenchError if the file there is no leaderboard, or the place cannot be written.
    """
    new = pd.DataFrame(result_rows(result))
    with locked(path, wait=LOCK_SECONDS):
        old = read_leaderboard(path) if path.exists() else new.iloc[:0]
        same = (old[CELL].astype(str) == new[CELL].astype(str).iloc[0]).all(axis=1)
        both = pd.concat([old[~same].astype(object), new.astype(object)], ignore_index=True)
        write_atomic(path, both.to_csv(index=False).encode())


def read_leaderboard(path: Path) -> pd.DataFrame:
    """The CSV as a frame. Raises BenchError if it is not one of ours."""
    try:
        frame = pd.read_csv(io.BytesIO(read_bytes(path)), dtype={"config_hash": str, "git_revision": str})
    except (ValueError, UnicodeDecodeError):
        raise BenchError(f"{path} is no leaderboard: it is not CSV") from None
    missing = [name for name in CELL if name not in frame.columns]
    if missing:
        raise BenchError(f"{path} is no leaderboard: it has no column '{missing[0]}'")
    return frame


def result_rows(result: Result) -> list[dict[str, Any]]:
    """A result as flat lines: an estimate x becomes x, x_low and x_high; a phase's figures are named PHASE_x."""
    shared = {name: value for name, value in vars(result).items()
              if not isinstance(value, dict | list | Figures) and name not in ("error", "status")}
    for name, value in vars(result.figures).items():
        shared |= _flat(name, value)
    shared |= {f"n_{purpose}": n for purpose, n in result.sizes.items()}
    shared |= {f"sha256_{role}": result.checkpoints.get(role) for role in ("clean", "backdoored")}
    shared |= {"status": result.status, "error": result.error}
    lines = []
    for row in result.rows:
        line = {"team": row.team, "triggered": row.triggered, "row_detector": row.detector, "kind": row.kind}
        for phase, detection in row.phases.items():
            for name, value in vars(detection).items():
                line |= _flat(f"{phase}_{name}", value) if isinstance(value, Estimate) else {f"{phase}_{name}": value}
        line |= _flat("attribution", row.attribution) | {"attribution_chance": row.attribution_chance}
        lines.append(shared | line | _flat("delay", row.delay))
    return lines or [shared | {"team": "", "triggered": "", "row_detector": result.detector, "kind": "error"}]


def _flat(name: str, estimate: Estimate) -> dict[str, float | None]:
    values = asdict(estimate)
    return {name: values["value"], f"{name}_low": values["low"], f"{name}_high": values["high"]}
