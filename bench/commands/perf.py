"""``python -m bench perf``: steps per second of play and training, beside bare SMAX in the same process."""

from __future__ import annotations

from omegaconf import DictConfig


def main(cfg: DictConfig) -> None:
    """Print speeds and their ratios to bare SMAX; ratios carry from machine to machine, steps per second do not."""
    from bench.harness.build import build, check
    from bench.harness.perf import BARE, measure
    from bench.reporting.progress import bar, console

    check(cfg)
    with bar("measuring") as progress:
        speeds = measure(build(cfg.env, "environment"), build(cfg.algo, "algorithm"), progress)
    bare = speeds[BARE]
    for name, speed in speeds.items():
        console.print(f"{name:<44}{speed:>9,.0f} steps/s  {speed / bare:>5.2f} of bare SMAX")
