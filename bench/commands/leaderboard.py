"""``python -m bench leaderboard``: the shipped teams against the detectors, or the ranking that came of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Command
from bench.errors import BenchError, unknown

if TYPE_CHECKING:
    import pandas as pd
    from omegaconf import DictConfig

NOT_OF_CELLS = ("sweep", "cells", "show", "executor")
SHIPPED = ("out=results/leaderboard", "leaderboard=leaderboard/leaderboard.csv")  # where the shipped one is
COMMAND = Command("measure the missing cells of the leaderboard, or print the ranking (leaderboard --show)",
                  lambda arguments: [*SHIPPED, *map(_choice, arguments)], plays=False, more=(
                      "Without --show it measures, for hours if many are missing, and changes "
                      "leaderboard/leaderboard.csv. attack=, detector=, algo= and seed=, with commas and patterns, "
                      "choose among the cells, and with --show among the teams and detectors that are ranked."))


def _choice(override: str) -> str:
    """An override, where ``attack=told,trojdrl*`` chooses among the leaderboard's cells and several may be named."""
    name, _, value = override.partition("=")
    if name in ("attack", "detector", "algo", "seed"):
        return f"cells.{name}='{value}'"
    return "show=true" if override == "--show" else override


def main(cfg: DictConfig) -> None:
    """Run the cells of ``sweep`` (by default the shipped one) that the CSV lacks, and print the ranking.

    ``attack=``, ``detector=``, ``algo=`` and ``seed=`` choose among the cells, with commas and patterns, and with
    --show among the teams that are ranked over and the detectors; other overrides go to every cell. Raises
    BenchError in the end if any cell failed.
    """
    from bench.leaderboard import shipped
    from bench.leaderboard.curves import curves_file, gather
    from bench.leaderboard.packed import pack
    from bench.leaderboard.ranking import (
        EVERYWHERE,
        RANKED,
        VISIBILITY,
        counted,
        current,
        domains,
        ordered,
        over,
        parts,
    )
    from bench.leaderboard.readings import log
    from bench.leaderboard.rows import read_leaderboard
    from bench.leaderboard.stealth import read_stealth, with_stealth
    from bench.reporting.progress import console, remark
    from bench.reporting.table import ranked

    path = (shipped.to_read if cfg.show else shipped.to_write)(Path(cfg.leaderboard))
    errors = [] if cfg.show else _measure(cfg, path)
    if not path.exists():  # no cell could write to it
        _require_none(errors)
    frame = read_leaderboard(path)
    if not cfg.show:
        pack(path, frame)
        log(path, frame)
        remark(f"{gather(path, frame, Path(cfg.out) / 'runs')} rows have curves in {curves_file(path)}")
    frame = with_stealth(_of(frame, cfg.cells) if cfg.show else frame, read_stealth(path))

    def show(rows: pd.DataFrame, figure: str, title: str) -> None:
        rows = counted(rows, figure)
        if not (found := ordered(rows, figure)).empty:
            console.print(ranked(found, title, over(rows)))

    for domain in (there := domains(frame)):
        mine, where = current(frame, domain), f", {domain}" if len(there) > 1 else ""
        for figure, phase in RANKED.items():
            for which, rows in parts(mine).items():
                show(rows, figure, f"backdoor detection {phase}, {which}{where}")
        for figure, phase in VISIBILITY.items():
            show(mine, figure, f"trigger visibility {phase}, all teams{where}")
    if len(there) > 1:
        for figure, phase in RANKED.items():
            show(frame, figure, f"backdoor detection {phase}, {EVERYWHERE}")
    _require_none(errors)


def _require_none(errors: Sequence[str | None]) -> None:
    """Raise BenchError if a cell failed."""
    if any(errors):
        raise BenchError(f"{sum(map(bool, errors))} of {len(errors)} cells failed; the first: "
                         f"{next(filter(None, errors))}")


def _of(frame: pd.DataFrame, patterns: Mapping[str, str | None]) -> pd.DataFrame:
    """The rows of the teams and detectors that are among the given values or patterns, and those of floors. Where
    detectors are chosen, they are compared on the teams that most of them were measured on."""
    import pandas as pd

    from bench.leaderboard.ranking import TEAM, plain_teams
    from bench.overrides import one_of

    for name, pattern in patterns.items():
        if pattern is not None:
            column = "row_detector" if name == "detector" else name
            there = frame[column].astype(str)
            wanted = there.map({value: one_of(value, pattern) for value in there.unique()})
            if not wanted.any():
                raise unknown(f"{name} in the leaderboard", pattern, sorted(there.unique()))
            frame = frame[wanted | (frame["kind"] == "floor") if name == "detector" else wanted]
    if patterns.get("detector") is not None:
        plain = plain_teams(frame[frame["kind"] == "attack"])
        measured = plain.groupby(TEAM)["row_detector"].nunique()
        teams = frame[TEAM].assign(attack=frame["attack"].str.split("-").str[0])  # of disguised ones, too
        frame = frame[pd.MultiIndex.from_frame(teams).isin(measured.index[measured == measured.max()])]
    return frame


def _measure(cfg: DictConfig, path: Path) -> list[str | None]:
    """Run the cells that the CSV at ``path`` lacks; what went wrong with each."""
    from hydra import compose

    from bench.contracts import FIRST_STEPS
    from bench.harness.composed import made
    from bench.harness.configuration import check
    from bench.harness.executors import executor_of
    from bench.harness.grid import grid, read
    from bench.harness.sweep import chosen, expected, missing, run_sweep
    from bench.leaderboard import shipped
    from bench.leaderboard.rows import read_leaderboard
    from bench.reporting.progress import bar, remark

    check(cfg)
    executor = executor_of(cfg)
    if cfg.after_steps != FIRST_STEPS:
        raise BenchError(f"other after_steps are for single runs; the leaderboard's are {FIRST_STEPS}")
    named = compose("config", ["sweep=shipped"]) if cfg.get("sweep") is None else cfg
    sweep = chosen(read(named.sweep), cfg.cells)
    overrides = [override for override in made(cfg).overrides
                 if re.split("[.=]", override.lstrip("+"))[0] not in NOT_OF_CELLS]
    if cfg.isolation == "none":
        raise BenchError("isolation=none is for debugging; detectors that are not shipped have processes of their own")
    overrides.append("keep_scores=true")
    there = path if path.exists() else shipped.leaderboard()  # of what is shipped, how long cells take
    known = None if there is None else read_leaderboard(there)
    lacking = sweep if known is None or there != path else missing(sweep, overrides, known)
    cells = grid(lacking)
    remark(f"{len(cells)} of {len(grid(sweep))} cells are missing in {path}; {expected(cells, known)}")
    with bar("leaderboard") as progress:
        return [cell.error for cell in run_sweep(lacking, overrides, [], progress, executor)] if lacking.grids else []
