"""A sweep: a grid of cells, each a ``python -m bench run`` of its own. Cells that are finished are only read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from bench import options
from bench.artifacts import zoo
from bench.artifacts.files import config_hash
from bench.artifacts.shared import BUSY
from bench.contracts import Cell, Progress, Result
from bench.errors import BenchError, unknown
from bench.harness.composed import composed, part
from bench.harness.configuration import describe
from bench.harness.executors import Executor
from bench.harness.executors.local import cores_here
from bench.harness.grid import Sweep, grid
from bench.harness.lookup import Lookup
from bench.overrides import one_of

OF_SWEEPS = ("sweep", "command", "executor")  # what overrides of a sweep are about, and none of its cells'


def given(but: Collection[str] = OF_SWEEPS) -> tuple[list[str], list[str]]:
    """What the command line says of every cell: the overrides but for those of the sweep, and further flags."""
    hydra = HydraConfig.get()
    overrides = [override for override in hydra.overrides.task if part(override) not in but]
    overrides += [override for override in hydra.overrides.hydra if override.startswith("hydra.searchpath")]
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    return overrides, [word for path in folders for word in ("--config-dir", path)]


def run_sweep(sweep: Sweep, overrides: Sequence[str], flags: Sequence[str], progress: Progress,
              executor: Executor) -> list[Cell]:
    """Have every cell of the sweep run, and gather their results.

    Cells that differ in the detector alone share a process, and the battles that it plays. ``overrides`` are further
    ones for every cell's command, ``flags`` what else goes there. A cell that fails keeps its error. A finished cell
    whose team is gone is read and not run: the team would have to be trained again first.
    """
    cells = grid(sweep)
    commands = [[*sweep.overrides, *overrides, *_overrides(settings)] for settings in cells]
    lookups = [_lookup(command) for command in commands]
    stand = {i for i, lookup in enumerate(lookups) if lookup is not None and _stands(lookup)}
    groups = [group for group in _by_team(cells).values() if not stand.issuperset(group)]
    errors: dict[int, str | None] = dict.fromkeys(stand)

    def done(number: int, error: str | None) -> None:
        errors.update(dict.fromkeys(groups[number], error))
        progress(len(errors) / len(cells), f"{len(errors)} of {len(cells)} cells")

    progress(len(errors) / len(cells), f"{len(errors)} of {len(cells)} cells")
    common = ["run", *flags, *sweep.overrides, *overrides]
    for how in (["lease.waits=false"], []) if any(part(one) == "store" for one in overrides) else ([],):
        executor.run([[*common, *how, *_together([cells[i] for i in group])] for group in groups], done)
        groups = [group for group in groups if BUSY in (errors[group[0]] or "")]  # now it is worth waiting for them
    results = [None if lookup is None else _result(lookup) for lookup in lookups]
    return [Cell(settings, result, errors[i] or "no result" if result is None else None)
            for i, (settings, result) in enumerate(zip(cells, results, strict=True))]


def _lookup(command: list[str]) -> Lookup | None:
    """Where a cell's command leaves its result, None of one that cannot even be composed."""
    try:
        return Lookup.of(composed(command))
    except (HydraException, OmegaConfBaseException, BenchError):
        return None


def _result(lookup: Lookup) -> Result | None:
    """What a cell has left, None if that cannot be read."""
    try:
        return lookup.result()
    except BenchError:
        return None


def _stands(lookup: Lookup) -> bool:
    """Whether a cell's result is there and its team is not."""
    result = _result(lookup)
    if result is None or result.status != "ok" or result.checkpoint_id is None:
        return False
    return not any((folder / f"{result.checkpoint_id}.json").exists() for folder in (lookup.teams, zoo.FOLDER))


def chosen(sweep: Sweep, patterns: Mapping[str, str | None]) -> Sweep:
    """The sweep's cells whose settings are among the given values or patterns ("told,trojdrl*"); None allows all.

    Raises BenchError if no cell is left by one of them.
    """
    cells = grid(sweep)
    for name, pattern in patterns.items():
        if pattern is None:
            continue
        values = [str(cell.get(name, options.default(name) if name != "seed" else 0)) for cell in cells]
        wanted = [one_of(value, pattern) for value in values]
        if not any(wanted):
            raise unknown(f"{name} in the sweep {sweep.name}", pattern, sorted(set(values)))
        cells = [cell for cell, fits in zip(cells, wanted, strict=True) if fits]
    return _of(sweep, cells)


def missing(sweep: Sweep, overrides: Sequence[str], frame: pd.DataFrame) -> Sweep:
    """The sweep's cells that a leaderboard has no rows of, or none of the shipped teams as they are now. Disguised
    teams are not shipped: they are made when they are needed, always the same."""
    weights = frame["checkpoint_id"].map(zoo.manifest().teams.get, na_action="ignore")
    same = (frame["checkpoint_sha256"] == weights).fillna(False) | (frame["split"] == "disguised").fillna(False)
    there = set(frame.loc[(frame["status"] == "ok") & same, "config_hash"])
    cells = grid(sweep)
    hashes = _hashes(cells, [*sweep.overrides, *overrides])
    return _of(sweep, [cell for cell, known in zip(cells, hashes, strict=True) if known not in there])


def expected(cells: Sequence[dict[str, Any]], frame: pd.DataFrame | None) -> str:
    """How long the cells will take, in words: by what a leaderboard, if there is any, says that cells of the same
    detector have taken."""
    if not cells:
        return "there is nothing to do"
    if frame is None or (frame := frame[frame["status"] == "ok"].drop_duplicates("config_hash")).empty:
        return "no telling how long they take"
    took = frame.groupby("detector")["runtime_s"].mean()
    seconds = sum(float(took.get(cell.get("detector"), took.mean())) for cell in cells)
    cores = len(cores_here())
    return f"about {seconds / cores / 3600:.1f} hours on {cores} cores, if each takes as long as its like has"


def hash_of(overrides: Sequence[str]) -> str:
    """The hash of the configuration that the overrides of ``python -m bench run`` make."""
    return config_hash(_described(overrides))


def _described(overrides: Sequence[str]) -> dict[str, Any]:
    return describe(composed(overrides)).config


def _hashes(cells: Sequence[dict[str, Any]], overrides: Sequence[str]) -> list[str]:
    """:func:`hash_of` each cell and the overrides that all have. Hydra composes every team and detector once: each
    pair of them would take minutes."""
    @cache
    def described(*own: str) -> dict[str, Any]:
        return _described([*overrides, *own])

    def of(cell: dict[str, Any]) -> dict[str, Any]:
        team = described(*_overrides({name: value for name, value in cell.items() if name != "detector"}))
        if "detector" not in cell:
            return team
        return team | {"detector": described(f"detector={cell['detector']}")["detector"]}

    return [config_hash(of(cell)) for cell in cells]


def _of(sweep: Sweep, cells: list[dict[str, Any]]) -> Sweep:
    """The sweep with these cells."""
    return replace(sweep, grids=[{name: [value] for name, value in cell.items()} for cell in cells])


def _together(cells: list[dict[str, Any]]) -> list[str]:
    """The overrides that run cells which differ in the detector alone."""
    if len(cells) == 1:
        return _overrides(cells[0])
    return ["-m", *_overrides(cells[0] | {"detector": ",".join(cell["detector"] for cell in cells)})]


def _overrides(settings: dict[str, Any]) -> list[str]:
    return [f"{name}={value}" for name, value in settings.items()]


def _by_team(cells: list[dict[str, Any]]) -> dict[tuple[str, ...], list[int]]:
    """The numbers of the cells, those together that differ in the detector alone."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, settings in enumerate(cells):
        team = {name: value for name, value in settings.items() if name != "detector"}
        groups.setdefault(tuple(_overrides(team)), []).append(number)
    return groups
