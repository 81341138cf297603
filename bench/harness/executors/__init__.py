"""Who runs a set of independent jobs: this machine's cores, a Ray cluster, Slurm (``executor=``, conf/executor/).

A job is the words of a ``python -m bench`` command, and a pure function of them: run twice, it leaves the same, and
what is there already is read. So an executor may run a job again, or say that one failed which did not. What has come
of it is what the job has left, a result or a team, and never what an executor says.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bench.errors import BenchError

if TYPE_CHECKING:
    from omegaconf import DictConfig

Words = Sequence[str]  # that follow "python -m bench"
Done = Callable[[int, str | None], None]  # (a job's number, None or what went wrong, in a line), once a job
Work = Callable[[Words], str | None]  # does a job, wherever it is called; returns None or what went wrong
POLL = 0.5  # seconds between two looks at what has ended, and whether to go on


@runtime_checkable
class Executor(Protocol):
    """What an option of ``conf/executor`` makes."""

    def run(self, jobs: Sequence[Words], done: Done, work: Work | None = None) -> None:
        """Do every job by ``work``, by default :func:`bench.harness.executors.job.command` in this folder.

        ``done`` is called in this thread as each ends. A failing job does not stop the others. Jobs that run end with
        this process, as far as the engine can see to that.
        """


def executor_of(cfg: DictConfig) -> Executor:
    """The configured executor. Raises BenchError if it cannot be made."""
    from bench.build import build  # which every worker of an engine can do without

    return build(cfg.executor, "executor", Executor)


def needed(module: str, extra: str) -> Any:
    """A module of a package that an executor needs. Raises BenchError, which names the extra, where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BenchError(f"executor={extra} needs the package {module}, which cannot be imported ({error}): "
                         f"pip install 'marl-backdoor-bench[{extra}]'") from None


def reason(error: BaseException) -> str:
    """What an engine says of a job that it has lost, or Python of one that failed, in a line."""
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), 'no reason is given')}"


def attempted(work: Work, words: Words) -> str | None:
    """What comes of a job, wherever this is called, whatever happens."""
    try:
        return work(words)
    except Exception as error:
        return reason(error)
