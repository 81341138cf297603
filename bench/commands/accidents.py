"""``python -m bench accidents``: how often the trigger completes by itself when nobody shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("count how often the trigger completes by itself")


def main(cfg: DictConfig) -> None:
    """Watch ``budget.accident_battles`` battles of the clean team for the configured attack's trigger."""
    from bench.build import build
    from bench.contracts import NEVER
    from bench.harness import memory
    from bench.harness.configuration import check
    from bench.harness.teams import clean_team
    from bench.marl.play import play
    from bench.metrics.attack import rate
    from bench.protocol.seeds import PUBLIC
    from bench.reporting.progress import bar, console, remark

    check(cfg)
    battles, attack = build(cfg.env, "environment"), build(cfg.attack, "attack")
    memory.require(memory.watching(battles.spec, {"budget.accident_battles": cfg.budget.accident_battles}), remark)
    checkpoint = clean_team(cfg, battles, bar, remark)
    with bar("watching the clean team") as progress:
        episodes = play(battles, checkpoint.team, cfg.budget.accident_battles, PUBLIC["normal"], trigger=attack.trigger,
                        progress=progress)
    completed = episodes.labels.completion != NEVER
    found = rate(completed)
    console.print(f"{checkpoint.name}: the trigger of {attack.name} completes by itself in {completed.sum()} of "
                  f"{len(completed):,} battles, {found.value:.2%} ({found.low:.2%} to {found.high:.2%})",
                  soft_wrap=True)
