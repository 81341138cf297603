"""``python -m bench leaderboard``: the shipped teams against the detectors, or the ranking that came of it."""

from __future__ import annotations

import re
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bench.errors import BenchError

NOT_OF_CELLS = ("sweep", "cells", "show")


def main(cfg: DictConfig) -> None:
    """Run the cells of ``sweep`` (by default the shipped one) that the CSV lacks, and print the ranking.

    ``attack=``, ``detector=``, ``algo=`` and ``seed=`` choose among the cells, with commas and patterns; other words go
    to every cell. Raises BenchError in the end if any cell failed.
    """
    from hydra import compose

    from bench.artifacts import shipped
    from bench.harness.build import check
    from bench.harness.grid import grid, read
    from bench.harness.sweep import chosen, missing, run_sweep
    from bench.reporting.curves import curves_file, gather
    from bench.reporting.leaderboard import read_leaderboard
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.ranking import ranking
    from bench.reporting.table import ranked

    path = (shipped.to_read if cfg.show else shipped.to_write)(Path(cfg.leaderboard))
    failed = []
    if not cfg.show:
        check(cfg)
        if cfg.after_steps is not None:
            raise BenchError("after_steps is for single runs; the leaderboard is of whole attack periods")
        named = compose("config", ["sweep=shipped"]) if cfg.get("sweep") is None else cfg
        sweep = chosen(read(named.sweep), cfg.cells)
        words = [word for word in HydraConfig.get().overrides.task
                 if re.split("[.=]", word.lstrip("+"))[0] not in NOT_OF_CELLS]
        if cfg.isolation == "none":
            raise BenchError("isolation=none is for debugging; the leaderboard's detectors have processes of their own")
        words.append("isolation=process")
        lacking = missing(sweep, words, read_leaderboard(path)) if path.exists() else sweep
        remark(f"{len(grid(lacking))} of {len(grid(sweep))} cells are missing in {path}")
        with bar("leaderboard") as progress:
            done = run_sweep(lacking, words, progress) if lacking.grids else []
        failed = [cell for cell in done if cell.error]
    frame = read_leaderboard(path)
    if not cfg.show:
        remark(f"{gather(path, frame, Path(cfg.out) / 'runs')} rows have curves in {curves_file(path)}")
    for phase in ("before", "after"):
        console.print(ranked(ranking(frame, phase), phase))
    if failed:
        raise BenchError(f"{len(failed)} of {len(done)} cells failed; the first: {failed[0].error}")
