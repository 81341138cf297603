"""``python -m bench train``: train a clean team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("train a clean team")


def main(cfg: DictConfig) -> None:
    """Train the configured clean team, or say where it is already."""
    from bench.build import build
    from bench.errors import BenchError
    from bench.harness.teams import clean_team
    from bench.reporting.progress import bar, console, remark

    if cfg.clean is not None:
        raise BenchError(f"clean is {cfg.clean}, a team that is there already; without clean=... one is trained")
    checkpoint = clean_team(cfg, build(cfg.env, "environment"), bar, remark)
    last, wins = checkpoint.about["curve"][-1], checkpoint.about["measured"]["win_rate"]
    console.print(f"{checkpoint.name}: wins {wins['value']:.1%} ({wins['low']:.1%} to {wins['high']:.1%}) "
                  f"after {last['steps']:,} steps, {last['seconds']:,.0f} s")
