"""``python -m bench perf``: steps per second of play and training, beside bare SMAX in the same process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("measure the speed of play and training beside bare SMAX")


def main(cfg: DictConfig) -> None:
    """Print speeds and their ratios to bare SMAX; ratios carry from machine to machine, steps per second do not."""
    from bench.build import build
    from bench.harness.configuration import check
    from bench.reporting.progress import bar, console
    from bench.speed.perf import BARE, speeds

    check(cfg)
    with bar("measuring") as progress:
        found = speeds(build(cfg.env, "environment"), build(cfg.algo, "algorithm"), progress)
    bare = found[BARE]
    for name, speed in found.items():
        console.print(f"{name:<44}{speed:>9,.0f} steps/s  {speed / bare:>5.2f} of bare SMAX")
