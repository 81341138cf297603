"""The runs of ``-m`` where an executor does them: each is a command of its own, somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from omegaconf import DictConfig, OmegaConf

from bench import options
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.harness.executors import Executor


class Run(NamedTuple):
    """One of the runs of ``-m``."""

    cfg: DictConfig
    overrides: list[str]
    flags: list[str]


def collected(cfg: DictConfig) -> Run | None:
    """The run of ``-m`` that is configured, for an executor to do; None where this process does them, one after the
    other, as it does by default."""
    if OmegaConf.select(cfg, "executor._target_") == options.target("executor", "local"):
        return None
    from bench.harness.sweep import given

    return Run(cfg, *given(("command", "executor")))


def run(command: str, runs: Sequence[Run], executor: Executor) -> list[str | None]:
    """Have all of them done; what went wrong with each. Cells of ``run`` that differ in the detector alone go together,
    and have failed if they have left no result."""
    from bench.reporting.progress import bar

    teams: dict[tuple[str, ...], list[int]] = {}
    for number, one in enumerate(runs):
        others = [override for override in one.overrides if command != "run" or not override.startswith("detector=")]
        teams.setdefault(tuple(others if command == "run" else [str(number)]), []).append(number)
    groups = list(teams.values())
    errors: list[str | None] = [None] * len(runs)
    ended = 0

    def done(number: int, error: str | None) -> None:
        nonlocal ended
        ended += len(groups[number])
        for one in groups[number]:
            errors[one] = error
        progress(ended / len(runs), f"{ended} of {len(runs)} runs")

    with bar(command) as progress:
        executor.run([[command, *_together([runs[one] for one in group])] for group in groups], done)
    if command == "run":
        return [None if _there(one) else error or "no result" for one, error in zip(runs, errors, strict=True)]
    return errors


def _together(runs: Sequence[Run]) -> list[str]:
    """The words for runs that differ in the detector alone."""
    words = [*runs[0].flags, *runs[0].overrides]
    if len(runs) == 1:
        return words
    detectors = ",".join(word.partition("=")[2] for one in runs for word in one.overrides
                         if word.startswith("detector="))
    return ["-m", *(f"detector={detectors}" if word.startswith("detector=") else word for word in words)]


def _there(one: Run) -> bool:
    """Whether a cell has left its result, whatever an engine says."""
    from bench.harness.lookup import Lookup

    try:
        result = Lookup.of(one.cfg).result()
    except BenchError:
        return False
    return result is not None and result.status == "ok"
