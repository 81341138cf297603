"""``python -m bench run``: measure an attack and a detector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.commands import Command
from bench.errors import BenchError

if TYPE_CHECKING:
    from omegaconf import DictConfig

_shared: dict[str, Any] = {}  # what the cells of a sweep (-m), which run one after the other in this process, share
COMMAND = Command("measure an attack and a detector; makes the teams first if none is there (run -v: every table)",
                  lambda arguments: ["verbose=true" if word in ("-v", "--verbose") else word for word in arguments])


def main(cfg: DictConfig) -> None:
    """Print what one cell has found, all of it with ``verbose``; its files go below ``out``. In a sweep (-m) a failed
    cell becomes a row, too."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from bench.artifacts.shared import Busy
    from bench.harness.cell import record_failure, run
    from bench.harness.remembered import Memory
    from bench.leaderboard import shipped
    from bench.leaderboard.ranking import standing
    from bench.leaderboard.rows import read_leaderboard
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.table import show

    sweep = HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        result = run(cfg, bar, say=remark, memory=_shared.setdefault("memory", Memory()) if sweep else None)
    except BenchError as error:
        if sweep and not isinstance(error, Busy):
            record_failure(cfg, error)
        raise
    show(result, console, whole=bool(cfg.verbose))
    if (path := shipped.leaderboard()) is not None:
        others = _shared.get("leaderboard")
        if others is None or not sweep:  # which takes seconds: the cells of a sweep are compared with what it found
            others = _shared["leaderboard"] = read_leaderboard(path)
        console.print(standing(others, result), style="bold", soft_wrap=True, highlight=False)
