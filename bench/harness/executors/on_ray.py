"""Jobs as tasks of a Ray cluster."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench import interrupts, terminal
from bench.errors import BenchError
from bench.harness.executors import POLL, Done, Words, Work, attempted, job, needed, reason


@dataclass(frozen=True)
class Ray:
    """A task a job, on whatever node has room for it. Ray does a task again whose node is lost.

    Parameters
    ----------
    address : of a cluster; None: that of RAY_ADDRESS, or one that runs on this machine, or else one of this command's
        own.
    cpus, gigabytes, resources : what a job takes up on its node; gigabytes None: not counted.
    retries : how often a job is done again whose node or worker was lost.
    at_once : jobs that Ray is told of at a time; the driver's memory and each look at them grow with it.

    Raises
    ------
    BenchError : Ray is not installed.
    """

    address: str | None
    cpus: float
    gigabytes: float | None
    resources: dict[str, float]
    retries: int
    at_once: int

    def __post_init__(self) -> None:
        needed("ray", "ray")  # before anything else is done

    def run(self, jobs: Sequence[Words], done: Done, work: Work | None = None) -> None:
        """See :class:`bench.harness.executors.Executor`. Raises BenchError if no cluster answers."""
        ray = needed("ray", "ray")
        if os.environ.get("BENCH_REFEREE"):  # nodes have an environment of their own, and Ray keeps what it tells them
            raise BenchError("executor=ray tells its nodes no secret: give referee=FILE instead of BENCH_REFEREE, with "
                             "a file that every node has")
        ours = self._join(ray)
        try:
            self._look(ray)
            self._all(ray, jobs, done, work or job.here())
        finally:
            if ours:
                ray.shutdown()  # which ends the tasks of this driver that still run

    def _join(self, ray: Any) -> bool:
        """Be a driver of the cluster; False if this process is one already."""
        if ray.is_initialized():
            return False
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address=self.address, log_to_driver=False, logging_level="error")
        except SystemExit:  # by Ray's own handler of the signal
            raise KeyboardInterrupt from None
        except Exception as error:
            raise BenchError(f"executor=ray reaches no cluster at {self.address or os.environ.get('RAY_ADDRESS')}: "
                             f"{reason(error)}") from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own there
        return True

    def _look(self, ray: Any) -> None:
        """Say so if no node that is there has what a job takes up: Ray waits for one, which may come."""
        wanted = {"CPU": self.cpus, **self.resources}
        if self.gigabytes is not None:
            wanted["memory"] = self.gigabytes * 2**30
        there = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if not any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in there):
            said = ", ".join(f"{name}: {amount}" for name, amount in wanted.items())
            terminal.say(f"no node of the Ray cluster has {said}, which each job takes up: they wait for one")

    def _all(self, ray: Any, jobs: Sequence[Words], done: Done, work: Work) -> None:
        task = ray.remote(num_cpus=self.cpus, resources=dict(self.resources), max_retries=self.retries,
                          memory=None if self.gigabytes is None else int(self.gigabytes * 2 ** 30))(attempted)
        waiting = iter(enumerate(jobs))
        running: dict[Any, int] = {}
        while True:
            while len(running) < self.at_once and (one := next(waiting, None)) is not None:
                running[task.remote(work, list(one[1]))] = one[0]
            if not running:
                return
            refs = list(running)
            ready, _ = ray.wait(refs, num_returns=1, timeout=POLL, fetch_local=False)
            if ready:  # all others that have ended by now as well: each look costs as much as there are tasks
                ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0, fetch_local=False)
            interrupts.poll()
            for ref in ready:
                try:
                    error = ray.get(ref)
                except Exception as lost:
                    error = reason(lost)
                done(running.pop(ref), error)
