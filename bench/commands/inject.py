"""``python -m bench inject``: put the attack into a clean team."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("put the attack into a clean team")


def main(cfg: DictConfig) -> None:
    """Inject the configured attack, or say where the team is already; trains the clean team first if need be."""
    from bench.build import build
    from bench.harness.teams import backdoored_team
    from bench.reporting.progress import bar, console, remark

    checkpoint = backdoored_team(cfg, cfg.attack, build(cfg.env, "environment"), bar, remark)
    console.print(f"{checkpoint.name}")
    for row in checkpoint.about["curve"]:
        if "win_triggered" in row:
            console.print(f"  after {row['steps']:>9,} steps: wins {row['win_clean']:.1%} without the trigger, "
                          f"{row['win_triggered']:.1%} with it")
