"""Where a cell leaves its result, and what is there: for whoever asks before anything is played, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from bench.artifacts.files import config_hash
from bench.artifacts.results import read_result
from bench.artifacts.shared import Alone
from bench.contracts import Result
from bench.harness.configuration import describe
from bench.harness.names import called
from bench.harness.store import store_of
from bench.leaderboard.rows import add_rows


class Lookup(NamedTuple):
    """Where a cell's result goes: all that is needed to look for it, once the cell has been composed."""

    base: Path  # of its files, without their endings
    leaderboard: Path
    store: Alone

    @classmethod
    def of(cls, cfg: DictConfig) -> Lookup:
        """Of a configured cell. Raises BenchError if it is not a whole one."""
        about = describe(cfg)
        return cls(base_of(cfg, about.detector, config_hash(about.config)), Path(cfg.leaderboard), store_of(cfg))

    def result(self) -> Result | None:
        """The result, or None if the cell has not been run. One that is in the store alone becomes a result here, and
        rows of the leaderboard."""
        result = read_result(self.base)
        if result is None and self.store.fetch(self.base) and (result := read_result(self.base)) is not None:
            add_rows(self.leaderboard, result)
        return result

    @property
    def teams(self) -> Path:
        """The folder of the teams that are trained for the cell."""
        return self.base.parents[1] / "teams"


def base_of(cfg: DictConfig, detector: str, key: str) -> Path:
    """Where a cell's files go, without their endings."""
    attack, algo = called(cfg.attack, "attack"), called(cfg.algo, "algorithm")
    return Path(cfg.out) / "runs" / f"{attack}-{algo}-{detector}-{key}"
