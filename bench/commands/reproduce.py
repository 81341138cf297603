"""``python -m bench reproduce ROW_ID``: measure a row of the leaderboard again."""

from __future__ import annotations

import shlex
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bench import plugins
from bench.errors import BenchError

OWN = ("row=", "out=", "leaderboard=", "plugin=")  # words that are this command's and not the cell's


def main(cfg: DictConfig) -> None:
    """Print every figure of the row beside its stored interval.

    Raises BenchError if one falls outside, or the row cannot be measured again.
    """
    from bench.artifacts import shipped
    from bench.harness.reproduce import compare, find, measure_again, words_of
    from bench.reporting.leaderboard import read_leaderboard
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.table import compared

    if cfg.row is None:
        raise BenchError("no row is named; give the row_id of a row of the leaderboard")
    row = find(read_leaderboard(shipped.to_read(Path(cfg.leaderboard))), str(cfg.row))
    words = words_of(row, [word for word in HydraConfig.get().overrides.task if not word.startswith(OWN)],
                     plugins.trusted(cfg.plugin))
    remark(f"python -m bench run {shlex.join(words)}")
    found = compare(row, measure_again(words, str(cfg.row), Path(cfg.out), bar, remark))
    console.print(compared(found))
    outside = found.loc[~found["inside"], "figure"].tolist()
    if outside:
        raise BenchError(f"{len(outside)} of {len(found)} figures fall outside their interval: {', '.join(outside)}")
    console.print(f"all {len(found)} figures fall inside their intervals")
