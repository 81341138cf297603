"""A sweep as ``conf/sweep/NAME.yaml`` has it, and its cells. No heavy import: the zoo is listed by it."""

from __future__ import annotations

import itertools
from dataclasses import field
from typing import Any

import pydantic.dataclasses
from omegaconf import DictConfig, OmegaConf
from pydantic import TypeAdapter, ValidationError

from bench.errors import BenchError


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Sweep:
    """What ``conf/sweep/NAME.yaml`` holds."""

    name: str
    grids: list[dict[str, list[Any]]]  # a cell for each combination of the values within a grid
    overrides: list[str] = field(default_factory=list)  # of every cell's command line
    paper: list[dict[str, Any]] = field(default_factory=list)  # a cell's settings, and its "asr" and "cpvr" in percent
    private_seeds: int = 0  # of python -m bench hidden: every cell with so many seeds that a referee's secret gives
    frontier: bool = False  # draw what rarer triggers gain and cost; the cells set algo and detector


def read(cfg: DictConfig) -> Sweep:
    """The configured sweep. Raises BenchError if it is not laid out as one, or has no cell."""
    try:
        sweep = TypeAdapter(Sweep).validate_python(OmegaConf.to_container(cfg, resolve=True))
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"sweep: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if not grid(sweep):
        raise BenchError("sweep: grids: there is no cell in them; each is {NAME: [VALUE, ...], ...}")
    return sweep


def grid(sweep: Sweep) -> list[dict[str, Any]]:
    """The settings of every cell, the last name of a grid varying fastest."""
    return [dict(zip(g, values, strict=True)) for g in sweep.grids for values in itertools.product(*g.values())]
