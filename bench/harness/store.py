"""The configured store (``store=``, :mod:`bench.artifacts.shared`). No figure and no name depends on it."""

from __future__ import annotations

from functools import cache

from omegaconf import DictConfig

from bench.artifacts.shared import Alone, Shared
from bench.errors import BenchError


def store_of(cfg: DictConfig) -> Alone:
    """The store, or none. Raises BenchError for a lease that is none, or a store that cannot be opened."""
    if cfg.get("store") is None:
        return Alone()
    seconds, waits = cfg.lease.seconds, cfg.lease.waits
    if type(seconds) not in (int, float) or not 0 < seconds < float("inf"):
        raise BenchError(f"lease.seconds is {seconds}; allowed: numbers above 0")
    if type(waits) is not bool:
        raise BenchError(f"lease.waits is {waits}; allowed: true, false")
    return _opened(str(cfg.store), seconds, waits)


_opened = cache(Shared)  # it knows what it has compared before
