"""``python -m bench perf``: steps per second of play and training, beside the bare simulator in the same process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("measure the speed of play and training beside the bare simulator")


def main(cfg: DictConfig) -> None:
    """Print speeds and their ratios to the bare simulator's; ratios carry from machine to machine, steps per second do
    not."""
    from bench.build import build
    from bench.harness.configuration import check
    from bench.reporting.progress import bar, console
    from bench.speed.perf import BARE, speeds

    check(cfg)
    with bar("measuring") as progress:
        found = speeds(build(cfg.env, "environment"), build(cfg.algo, "algorithm"), progress)
    for name, speed in found.items():
        ratio = f"  {speed / found[BARE]:>5.2f} of the bare simulator" if BARE in found else ""
        console.print(f"{name:<44}{speed:>9,.0f} steps/s{ratio}")
    if BARE not in found:
        console.print("this environment has no figure of the bare simulator: its class has no method bare")
