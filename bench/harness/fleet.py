"""Many commands at once, one process a core: training processes that share cores run ten times slower, not twice."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from bench import interrupts
from bench.children import child

POLL = 0.5  # seconds between two looks whether to go on


def cores_here() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def run_all(jobs: Sequence[list[str]], done: Callable[[int, str | None], None]) -> None:
    """Run ``python -m bench WORDS`` for each job, every process pinned to a core of its own.

    ``done(job number, error)`` is called as each ends; the error is None, or the last line that the command wrote to
    standard error. A failing job does not stop the others; they all end with this process, however that
    ends.
    """
    cores: queue.Queue[int] = queue.Queue()
    for core in cores_here():
        cores.put(core)
    running: dict[int, subprocess.Popen[str]] = {}

    def run(number: int) -> str | None:
        core = cores.get()
        try:
            with child([sys.executable, "-m", "bench", *jobs[number]],
                       os.environ | {"PYTHONIOENCODING": "utf-8"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       encoding="utf-8", errors="replace") as process:
                running[number] = process
                if hasattr(os, "sched_setaffinity"):
                    os.sched_setaffinity(process.pid, {core})
                _, said = process.communicate()
            if process.returncode == 0:
                return None
            return (said.strip().splitlines() or [f"ended with exit code {process.returncode}"])[-1]
        finally:
            running.pop(number, None)
            cores.put(core)

    with ThreadPoolExecutor(max_workers=cores.qsize()) as pool:
        futures = {pool.submit(run, number): number for number in range(len(jobs))}
        try:
            left = set(futures)
            while left:
                ended, left = wait(left, POLL, FIRST_COMPLETED)
                interrupts.poll()
                for future in ended:
                    done(futures[future], future.result())
        except BaseException:
            for future in futures:
                future.cancel()
            for process in list(running.values()):
                process.terminate()
            raise
