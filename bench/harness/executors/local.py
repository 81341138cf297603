"""Jobs on this machine, one process a core: training processes that share cores run ten times slower, not twice."""

from __future__ import annotations

import os
import queue
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial

from bench import interrupts
from bench.harness.executors import POLL, Done, Words, Work, attempted, job


def cores_here() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


class Local:
    """A thread a core, which waits for one process after the other; both are pinned to it."""

    def run(self, jobs: Sequence[Words], done: Done, work: Work | None = None) -> None:
        """See :class:`bench.harness.executors.Executor`."""
        work = partial(attempted, work or job.here())
        cores: queue.Queue[int] = queue.Queue()
        for core in cores_here():
            cores.put(core)
        with ThreadPoolExecutor(cores.qsize(), initializer=lambda: _pin(cores.get())) as pool:
            futures = {pool.submit(work, words): number for number, words in enumerate(jobs)}
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
                job.stop()
                raise


def _pin(core: int) -> None:
    """Keep this thread, and the processes that it starts, on a core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
