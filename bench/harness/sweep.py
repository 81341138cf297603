"""A sweep: a grid of cells, each a ``python -m bench run`` of its own. Cells that are finished are only read."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import field
from typing import Any

import pydantic.dataclasses
from hydra import compose
from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter, ValidationError

from bench import plugins
from bench.contracts import Progress
from bench.errors import BenchError
from bench.harness import finished
from bench.harness.fleet import run_all
from bench.reporting.sweep import Cell


@pydantic.dataclasses.dataclass(frozen=True)
class Sweep:
    """What ``conf/sweep/NAME.yaml`` holds."""

    name: str
    grids: list[dict[str, list[Any]]]  # a cell for each combination of the values within a grid
    words: list[str] = field(default_factory=list)  # of every cell's command line
    paper: list[dict[str, Any]] = field(default_factory=list)  # a cell's settings, and its "asr" and "cpvr" in percent


def read(cfg: DictConfig) -> Sweep:
    """The configured sweep. Raises BenchError if it is not laid out as one."""
    try:
        return TypeAdapter(Sweep).validate_python(OmegaConf.to_container(cfg, resolve=True))
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"sweep: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def grid(sweep: Sweep) -> list[dict[str, Any]]:
    """The settings of every cell, the last name of a grid varying fastest."""
    return [dict(zip(g, values, strict=True)) for g in sweep.grids for values in itertools.product(*g.values())]


def run_sweep(sweep: Sweep, words: Sequence[str], progress: Progress, flags: Sequence[str] = ()) -> list[Cell]:
    """Run every cell of the sweep, one process a core, and gather their results.

    ``words`` are further ones for every cell's command line, ``flags`` those of its words that are no overrides. A cell
    that fails keeps its error.
    """
    cells = grid(sweep)
    commands = [[*sweep.words, *words, *(f"{name}={value}" for name, value in settings.items())] for settings in cells]
    errors: dict[int, str | None] = {}

    def done(number: int, error: str | None) -> None:
        errors[number] = error
        progress(len(errors) / len(cells), f"{len(errors)} of {len(cells)} cells")

    progress(0.0, f"0 of {len(cells)} cells")
    run_all([["run", *flags, *command] for command in commands], done)
    return [Cell(settings, None if errors[i] else finished(compose("config", plugins.words(commands[i]))), errors[i])
            for i, settings in enumerate(cells)]
