"""``python -m bench sweep``: a grid of runs, one process a core, and one table of them all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Command
from bench.errors import BenchError
from bench.options import names

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("measure a grid of cells, one process a core, and make one table of them", plays=False)


def main(cfg: DictConfig) -> None:
    """Run the configured sweep's cells and write their table, CSV and Markdown, below ``out``/sweeps.

    Words of the command line other than ``sweep=`` go to every cell. A cell that is finished is only read, so that
    the same command goes on after a kill. Raises BenchError in the end if any cell failed.
    """
    from bench.artifacts.files import write_atomic
    from bench.harness.configuration import check, check_places
    from bench.harness.executors import executor_of
    from bench.harness.grid import read
    from bench.harness.sweep import given, run_sweep
    from bench.reporting.markdown import grid
    from bench.reporting.progress import bar, console
    from bench.reporting.sweep import frame, readable
    from bench.reporting.table import plain

    if cfg.get("sweep") is None:
        raise BenchError(f"no sweep is configured; allowed: sweep={', '.join(names('sweep'))}")
    check(cfg)
    check_places(cfg)
    sweep, executor = read(cfg.sweep), executor_of(cfg)
    with bar(f"sweep {sweep.name}") as progress:
        cells = run_sweep(sweep, *given(), progress, executor)
    found = frame(cells, sweep.paper)
    shown = readable(found)
    base = Path(cfg.out) / "sweeps" / sweep.name
    write_atomic(base.with_suffix(".csv"), found.to_csv(index=False).encode())
    text = grid([str(name) for name in shown], shown.to_numpy().tolist())
    write_atomic(base.with_suffix(".md"), f"{text}\n".encode())
    if sweep.frontier:
        from bench.reporting import figures

        write_atomic(base.with_suffix(".png"), figures.png(figures.frontier("stealth and its price", found)))
    console.print(plain(shown))
    failed = [cell for cell in cells if cell.error]
    if failed:
        raise BenchError(f"{len(failed)} of {len(cells)} cells failed; the first: {failed[0].error}")
