"""The harness: battles, teams, episodes, metrics and reports, and the contracts that attacks and detectors meet."""

from __future__ import annotations

from typing import Any

__version__ = "0.8.0"
BENCHMARK = "0.6.0"  # the release since which every figure means the same: the protocol, the battles, the shipped teams


def __getattr__(name: str) -> Any:  # lazily, so that ``import bench`` needs neither torch nor jax
    if name == "evaluate":
        from bench.harness import evaluate

        return evaluate
    if name == "load_episodes":
        from bench.artifacts.episodes import load_episodes

        return load_episodes
    raise AttributeError(f"module 'bench' has no attribute '{name}'")
