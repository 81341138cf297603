"""Which behaviour patterns clean play contains anyway: the background that a trigger of such moves hides in."""

from __future__ import annotations

import pandas as pd
from omegaconf import DictConfig
from statsmodels.stats.proportion import proportion_confint

from bench.build import build
from bench.errors import BenchError
from bench.harness.configuration import check
from bench.harness.teams import Say, Stage, clean_team
from bench.marl.play import Player
from bench.protocol.seeds import PUBLIC


def census(cfg: DictConfig, stage: Stage, say: Say) -> tuple[str, pd.DataFrame]:
    """Watch ``budget.accident_battles`` battles of the clean team for every sequence of moves that could stand in the
    place of the configured trigger's.

    Returns the team's name and a line a sequence, the most frequent first: ``sequence``, the number of ``battles`` that
    contain it, their ``share`` and its 95 % Wilson interval, ``low`` to ``high``. Raises BenchError for a trigger that
    is no pattern of moves.
    """
    check(cfg)
    battles, attack = build(cfg.env, "environment"), build(cfg.attack, "attack")
    if not hasattr(attack.trigger, "census"):
        raise BenchError(f"the trigger of attack={attack.name} is no pattern of moves that could be counted")
    checkpoint, n = clean_team(cfg, battles, stage, say), cfg.budget.accident_battles
    player = Player(battles, PUBLIC["normal"], trigger=attack.trigger.census(), limit=n)
    with stage("watching the clean team") as progress:
        player.play(checkpoint.team, n, progress=progress)
    assert player.trigger is not None
    counts = player.trigger.counts  # type: ignore[attr-defined]
    low, high = proportion_confint(counts, n, method="wilson")
    table = pd.DataFrame({"sequence": [" ".join(moves) for moves in player.trigger.sequences],  # type: ignore[attr-defined]
                          "battles": counts, "share": counts / n, "low": low, "high": high})
    return checkpoint.name, table.sort_values("battles", ascending=False, kind="stable", ignore_index=True)
