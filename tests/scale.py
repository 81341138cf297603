"""What cells cost beside computing them: ``python -m tests.scale CELLS local ray slurm compose csv FOLDER_OR_URL``."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from hydra import initialize_config_module

from bench import compat
from bench.artifacts.shared import Shared
from bench.harness.executors.local import Local
from bench.harness.executors.on_ray import Ray
from bench.harness.executors.slurm import Slurm
from tests.harness.jobs import empty

RESULT = 9_000  # bytes of a cell's result and its curves, about


def timed(what: str, cells: int, do) -> None:
    began, worked = time.perf_counter(), time.process_time()
    do()
    took, worked = time.perf_counter() - began, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2 ** 10
    print(f"{what}: {cells} in {took:.1f} s, {1e3 * took / cells:.2f} ms each, {1e3 * worked / cells:.2f} of them "
          f"this process; {memory:.0f} MiB", flush=True)


def scheduling(name: str, cells: int, folder: Path) -> None:
    """Empty cells, of which nothing is left; Ray's workers and submitit's imports are there before."""
    made = {"local": Local(), "ray": Ray(None, 1, None, {}, 3, 1_000), "slurm": Slurm(
        "local", str(folder), minutes=5, gigabytes=1, cpus=1, partition=None, array=1_000, parallelism=None,
        parameters={})}[name]
    if name == "ray":
        import ray

        ray.init(log_to_driver=False, include_dashboard=False)

    def run(n: int) -> None:
        errors: list[str | None] = []
        made.run([[str(number)] for number in range(n)], lambda _, error: errors.append(error), empty)
        assert errors == [None] * n

    run(2)
    timed(name, cells, lambda: run(cells))


def composing(cells: int) -> None:
    """What a sweep does for each cell before any runs: its configuration, and whether its result is there."""
    from bench.harness.grid import Sweep
    from bench.harness.sweep import _stands

    sweep = Sweep("s", [{"seed": list(range(cells))}])
    with initialize_config_module("bench.conf", **compat.VERSION):
        timed("compose", cells, lambda: [_stands([*sweep.overrides, f"seed={number % 1000}", "out=/nowhere"])
                                         for number in range(cells)])


def rows(cells: int, folder: Path) -> None:
    """Rows that are added to a leaderboard of so many cells, 20 one after the other, and the file read: the rows are
    those of a shipped result, renamed."""
    from dataclasses import replace

    from bench.artifacts.results import find_result
    from bench.leaderboard.rows import add_rows, read_leaderboard

    _, result = find_result("140a3a2dd8f9", Path("leaderboard/table1/runs"))
    table = folder / "leaderboard.csv"
    add_rows(table, replace(result, config_hash="none"))
    head, _, one = table.read_text().partition("\n")
    # a row's id is a hash of its cell, which comes first
    table.write_text("\n".join([head, *(f"{number:04x}{line[4:]}".replace(",none,", f",{number:012x},")
                                       for number in range(cells) for line in one.splitlines())]) + "\n")
    timed(f"csv of {cells} cells and {table.stat().st_size / 1e6:.0f} MB, adding", 20, lambda: [
        add_rows(table, replace(result, config_hash=f"new{number}")) for number in range(20)])
    timed("csv, reading", cells, lambda: read_leaderboard(table))


def storing(where: str, cells: int, folder: Path) -> None:
    """Each cell: a lease is taken, a result is made, put there, and let go; then others read them all."""
    store = Shared(where, 60, True)
    here, there = folder / "here/runs", folder / "there/runs"
    for place in (here, there):
        place.mkdir(parents=True)

    def make() -> None:
        for number in range(cells):
            with store.claimed(base := here / f"cell-{number}", print) as mine:
                assert mine
                base.with_name(f"{base.name}.json").write_bytes(b"x" * RESULT)
                store.publish(base)

    timed(f"{where}, made", cells, make)
    timed(f"{where}, read", cells, lambda: [store.fetch(there / f"cell-{number}") for number in range(cells)])
    timed(f"{where}, listed", cells, lambda: store._objects.names("runs"))


if __name__ == "__main__":
    n = int(sys.argv[1])
    for name in sys.argv[2:]:
        with tempfile.TemporaryDirectory() as temporary:
            if name in ("local", "ray", "slurm"):
                scheduling(name, n, Path(temporary))
            elif name == "compose":
                composing(n)
            elif name == "csv":
                rows(n, Path(temporary))
            else:
                storing(name, n, Path(temporary))
