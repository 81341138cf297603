"""``python -m bench run``: measure an attack and a detector."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from bench.errors import BenchError


def main(cfg: DictConfig) -> None:
    """Print the report of one cell; its files go below ``out``. In a sweep (-m) a failed cell becomes a row, too."""
    from bench.harness import record_failure, run
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.table import show

    try:
        result = run(cfg, bar, say=remark)
    except BenchError as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            record_failure(cfg, error)
        raise
    show(result, console)
