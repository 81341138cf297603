"""A sweep of bare cells, which are measured in no time: ``python tests/fuzz/bare.py ENGINE CELLS OUT STORE CSV``.

All else is a cell's own: locks, leases, files, the store, rows and the engine; so that a kill hits one of them. A
shipped result stands for all cells', under other names; its date says who has made it.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[2]


def cell(out: Path, where: str, table: Path, words: Sequence[str]) -> None:
    """What :func:`bench.harness.cell.run` does beside measuring."""
    from bench.artifacts.files import locked
    from bench.artifacts.results import read_result, write_curves, write_result
    from bench.artifacts.shared import Shared
    from bench.leaderboard.rows import add_rows

    store, base = Shared(where, 2.0, True), out / "runs" / f"cell-{words[0]}"
    (shipped,) = (ROOT / "leaderboard/table1/runs").glob("*-140a3a2dd8f9.json")
    with locked(base, -1), store.claimed(base, lambda _: None) as ours:
        if ours:
            time.sleep(random.uniform(0.0, 0.1))
            result = read_result(shipped.with_suffix(""))
            assert result is not None
            write_curves(base, [])
            maker = f"{os.getpid()} {time.time_ns()}"
            write_result(base, replace(result, config_hash=f"{int(words[0]):012x}", date=maker))
            store.publish(base)
        else:
            store.offer(base)
        result = read_result(base)
        assert result is not None
        add_rows(table, result)


def main(engine: str, cells: str, out: str, store: str, table: str) -> int:
    """Run the cells; the exit code of a sweep."""
    from bench.harness.executors.local import Local
    from bench.harness.executors.on_ray import Ray
    from bench.harness.executors.slurm import Slurm

    executor = {"local": Local, "ray": partial(Ray, None, 1, None, {}, 9, 1_000), "slurm": partial(
        Slurm, "local", f"{out}/slurm", 5, 1, 1, None, 1_000, None, {})}[engine]()
    errors: dict[int, str | None] = {}
    executor.run([[str(number)] for number in range(int(cells))], lambda number, error: errors.update({number: error}),
                 partial(cell, Path(out), store, Path(table)))
    failed = [error for error in errors.values() if error]
    print(*failed, sep="\n", file=sys.stderr)
    return 2 if failed or len(errors) < int(cells) else 0


if __name__ == "__main__":
    import bare  # by the name that an engine's workers know it by

    from bench import interrupts

    interrupts.install()
    try:
        code = bare.main(*sys.argv[1:])
    except KeyboardInterrupt:
        code = interrupts.CODE
    os._exit(code)
