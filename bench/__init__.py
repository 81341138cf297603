"""The harness: battles, teams, episodes, metrics and reports, and the contracts that attacks and detectors meet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench import siblings

__version__ = "0.10.0"
BENCHMARK = "0.10.0"  # the release since which every figure means the same: protocol, battles, shipped teams

if not (Path(__file__).parent / "conf").is_dir():  # a checkout: they are packages of this one, see bench.siblings
    __path__.append(str(Path(__file__).parents[1]))
siblings.install()


def __getattr__(name: str) -> Any:  # lazily, so that ``import bench`` needs neither torch nor jax
    if name == "evaluate":
        from bench.harness.evaluate import evaluate

        return evaluate
    if name == "load_episodes":
        from bench.artifacts.episodes import load_episodes

        return load_episodes
    raise AttributeError(f"module 'bench' has no attribute '{name}'")
