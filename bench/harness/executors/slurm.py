"""Jobs as array jobs of Slurm, through submitit."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from bench import interrupts
from bench.errors import BenchError, unknown
from bench.harness.executors import POLL, Done, Words, Work, attempted, job, needed, reason
from bench.harness.executors.local import cores_here

CLUSTERS = ("slurm", "local", "debug")


@dataclass(frozen=True)
class Slurm:
    """A task of an array job for each job.

    Parameters
    ----------
    cluster : slurm; local: processes of this machine, as many at once as it has cores; debug: in this process.
    folder : submitit's scripts and logs, on a drive that all nodes have.
    minutes, gigabytes, cpus, partition : what a job asks for; partition None: Slurm's default.
    array : jobs in one array, no more than Slurm's MaxArraySize allows.
    parallelism : tasks of an array that run at once; None: as Slurm has room for.
    parameters : further ones of submitit's AutoExecutor.update_parameters, slurm_account for example.

    Raises
    ------
    BenchError : submitit is not installed.
    """

    cluster: str
    folder: str
    minutes: int
    gigabytes: float
    cpus: int
    partition: str | None
    array: int
    parallelism: int | None
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        needed("submitit", "slurm")  # before anything else is done

    def run(self, jobs: Sequence[Words], done: Done, work: Work | None = None) -> None:
        """See :class:`bench.harness.executors.Executor`. Raises BenchError if there is no Slurm."""
        submitit, work = needed("submitit", "slurm"), partial(attempted, work or job.here())
        engine = self._engine(submitit)
        if self.cluster == "local":  # whose processes would go on for nobody, should this one be killed
            work = partial(job.following, work, os.getpid())
        waiting = iter(enumerate(jobs))
        running: dict[Any, int] = {}
        try:
            while True:
                if some := list(islice(waiting, self._room(len(running)))):
                    running |= self._submitted(submitit, engine, some, work)
                if not running:
                    return
                self._look(running, done)
        except BaseException:
            for one in running:
                one.cancel(check=False)
            raise

    def _room(self, running: int) -> int:
        """How many more jobs are submitted: arrays, as long as fewer than one of them are left."""
        if self.cluster == "slurm":
            return self.array if running < self.array else 0
        return len(cores_here()) - running

    def _engine(self, submitit: Any) -> Any:
        if self.cluster not in CLUSTERS:
            raise unknown("executor.cluster", self.cluster, CLUSTERS)
        try:
            engine = submitit.AutoExecutor(str(Path(self.folder).absolute()), cluster=self.cluster)
            parameters = {"timeout_min": self.minutes, "mem_gb": self.gigabytes, "cpus_per_task": self.cpus,
                          "slurm_partition": self.partition, "slurm_array_parallelism": self.parallelism}
            given = {name: value for name, value in parameters.items() if value is not None}
            engine.update_parameters(name="bench", **given | dict(self.parameters))
        except Exception as error:  # of submitit: no sbatch here, an unknown parameter, a folder that cannot be made
            raise BenchError(f"executor=slurm: {reason(error)}") from error
        return engine

    def _submitted(self, submitit: Any, engine: Any, some: Sequence[tuple[int, Words]], work: Work) -> dict[Any, int]:
        try:
            found = engine.map_array(work, [list(words) for _, words in some])
        except submitit.core.utils.FailedJobError as error:  # what sbatch says
            raise BenchError(f"executor=slurm: {reason(error)}") from error
        return dict(zip(found, (number for number, _ in some), strict=True))

    def _look(self, running: dict[Any, int], done: Done) -> None:
        """Tell of the jobs that have ended, after a while."""
        time.sleep(POLL if self.cluster == "slurm" else POLL / 10)
        interrupts.poll()
        for one in [one for one in running if one.done()]:
            try:
                error = one.result()
            except Exception as lost:  # the node is gone, the time is over, memory did not do
                error = _said(lost)
            done(running.pop(one), error)


def _said(lost: Exception) -> str:
    """What went wrong in a job: the last line of its trace, where submitit has one between two lines of dashes."""
    trace = re.split("\n-{9,}\n", str(lost))[1:2]
    return trace[0].strip().splitlines()[-1] if trace and trace[0].strip() else reason(lost)
