"""The leaderboard's CSV: one line a row of a result. A cell's lines are replaced together, all others kept.

Its columns are declared in :mod:`bench.leaderboard.columns`.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import pandas as pd

from bench.artifacts.files import config_hash, locked, read_bytes, write_atomic
from bench.artifacts.reading import read_table
from bench.contracts import (
    DEFENDERS,
    FIRST_STEPS,
    RELEASE,
    STAND_IN,
    BackdoorDetection,
    Estimate,
    Figures,
    Response,
    Result,
    Row,
)
from bench.leaderboard.columns import BY_NAME, RENAMED, RESPONSE, STREAM
from bench.leaderboard.packed import unpacked
from bench.leaderboard.schema import validated
from bench.leaderboard.splits import split_of

CELL = ["benchmark_version", "env", "env_version", "config_hash"]
OURS = ("bench", "detectors")  # packages whose version is that of the release
NOT_COMPARED = BackdoorDetection(Estimate(None), Estimate(None), Estimate(None))
LOCK_SECONDS = 60  # a writer needs milliseconds; several may queue


def add_rows(path: Path, result: Result) -> None:
    """Add a result's rows to the CSV at ``path``, atomically and under a lock.

    A failure is added only where the cell has no rows. What was run with other ``after_steps`` than ``FIRST_STEPS``
    is not added. Nor is what was measured on a stand-in of a simulator.

    Raises BenchError if the file there is no leaderboard, or the place cannot be written.
    """
    if result.protocol.get("after_steps", FIRST_STEPS) != FIRST_STEPS or result.env_version.startswith(STAND_IN):
        return
    new = validated(pd.DataFrame(result_rows(result)), f"the result {result.config_hash}")
    with locked(path, wait=LOCK_SECONDS):
        if _appended(path, new):
            return
        old = read_leaderboard(path) if path.exists() else new.iloc[:0]
        same = (old[CELL] == new[CELL].iloc[0]).all(axis=1)
        if result.status != "ok" and (old.loc[same, "status"] == "ok").any():
            return  # a failure does not undo what was measured
        both = pd.concat([old[~same], new], ignore_index=True)
        write_atomic(path, both.to_csv(index=False).encode())


def _appended(path: Path, new: pd.DataFrame) -> bool:
    """Whether rows could be added at the end: the file has these columns, and none of the cell's rows. It is much the
    faster way, for the other rows are not read: a file without the cell's hash has none of its rows."""
    if not path.exists():
        return False
    text = read_bytes(path)
    if not text.startswith(",".join(new.columns).encode() + b"\n") or not text.endswith(b"\n"):
        return False
    if str(new["config_hash"].iloc[0]).encode() in text:
        cells = read_table(path, usecols=lambda name: name in CELL, dtype=str, keep_default_na=False)
        if (cells[CELL] == new[CELL].astype(str).iloc[0]).all(axis=1).any():
            return False
    write_atomic(path, text + new.to_csv(index=False, header=False).encode())
    return True


def read_leaderboard(path: Path) -> pd.DataFrame:
    """The CSV as a frame, with the columns and types of the schema, those of older releases under their new names.

    Raises BenchError if it is not one of ours.
    """
    names = {name: name for name in BY_NAME} | RENAMED
    frame = read_table(path, keep_default_na=False, na_values=[""], dtype={
        name: str for name, now in names.items() if BY_NAME[now].kind == "text"})
    return validated(unpacked(frame, path).rename(columns=RENAMED), str(path))


def rows_of(result: Result) -> pd.DataFrame:
    """The rows of a result that was measured now, as a leaderboard has them."""
    return validated(pd.DataFrame(result_rows(result)), "the new result")


def result_rows(result: Result) -> list[dict[str, Any]]:
    """A result as flat lines: an estimate x becomes x, x_low and x_high; a phase's figures are named PHASE_x."""
    shared = {name: value for name, value in vars(result).items()
              if not isinstance(value, dict | list | Figures | Response) and name not in ("error", "status", "view")}
    for name, value in vars(result.figures).items():
        shared |= _flat(name, value)
    shared |= {f"n_{purpose}": n for purpose, n in result.sizes.items()}
    shared |= {"map": result.config.get("env", {}).get("map"), "clean_sha256": result.checkpoints.get("clean"),
               "checkpoint_sha256": result.checkpoints.get("backdoored")}
    shared |= {"status": result.status, "error": result.error, "overrides": shlex.join(result.overrides) or None,
               "defender": result.protocol.get("defender", DEFENDERS[0]),
               "split": split_of(result.attack, result.seed, result.overrides, bool(result.config.get("referee"))),
               "referee": result.config.get("referee"),
               "response": None if result.response is None else result.response.name}
    lines = []
    for row in result.rows:
        line = {"team": row.team, "triggered": row.triggered, "row_detector": row.detector, "kind": row.kind}
        for phase, detection in row.phases.items():
            for name, value in vars(detection).items():
                line |= _flat(f"{phase}_{name}", value) if isinstance(value, Estimate) else {f"{phase}_{name}": value}
        for name, value in vars(row.backdoor or NOT_COMPARED).items():
            line |= _flat(f"backdoor_{name}", value) if isinstance(value, Estimate) else {f"backdoor_{name}": value}
        line |= _flat("attribution", row.attribution) | {"attribution_chance": row.attribution_chance}
        line |= _flat("matched_auroc", row.matched)
        line |= {f"stream_{name}": None if row.stream is None else getattr(row.stream, name) for name in STREAM}
        line |= _flat("delay", row.delay) | _response(result, row)
        lines.append(shared | line | _about(result, row.detector))
    lines = lines or [shared | {"team": None, "triggered": None, "row_detector": result.detector, "kind": "error"}
                      | _about(result, result.detector)]
    return [line | {"row_id": row_id(line)} for line in lines]


def _response(result: Result, row: Row) -> dict[str, Any]:
    """What came of the response to alarms, on the row that has the cell's detector under the trigger."""
    found = result.response
    if found is None or (row.team, row.triggered, row.detector) != ("backdoored", True, result.detector):
        return dict.fromkeys(column.name for column in RESPONSE)
    return {**_flat("residual_asr", found.residual_asr), **_flat("win_response", found.win_normal),
            **_flat("response_alarms", found.alarms_triggered), **_flat("response_false_alarms", found.alarms_normal),
            "step_ms": found.step_ms, "n_response": found.battles}


def row_id(line: dict[str, Any]) -> str:
    """12 hex digits that name a row: the same for the same row measured again, whatever its figures."""
    return config_hash([line[name] for name in (
        "env", "algo", "attack", "seed", "row_detector", "team", "triggered", "config_hash", "benchmark_version")])


def _about(result: Result, detector: str) -> dict[str, str | None]:
    """Version and view of a row's detector: the cell's own, or a shipped floor."""
    if detector != result.detector:
        return {"detector_version": _release(result), "view": None}
    node = result.config.get("detector", {})
    return {"detector_version": _version(str(node.get("_target_", "")), result), "view": result.view}


def _release(result: Result) -> str:
    """The release that measured a result; before 0.6.1 that was the benchmark's version."""
    return result.packages.get(RELEASE, result.benchmark_version)


def _version(target: str, result: Result) -> str | None:
    package = target.split(".")[0]
    if package in OURS:
        return _release(result)
    owner = _owner(package)
    return None if owner is None else version(owner)


@cache
def _owner(package: str) -> str | None:
    """The distribution that a module is of, if it is of any: looking for it reads the names of all installed files."""
    return next(iter(packages_distributions().get(package, [])), None)


def _flat(name: str, estimate: Estimate) -> dict[str, float | None]:
    values = asdict(estimate)
    return {name: values["value"], f"{name}_low": values["low"], f"{name}_high": values["high"]}
