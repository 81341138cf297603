"""A run as one HTML file that needs no network: figures, curves, battles, and how to make it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf

from bench import options
from bench.artifacts.written import unspelled
from bench.contracts import DEFENDERS, Curves, Result
from bench.leaderboard.rows import result_rows
from bench.reporting.charts import charts
from bench.reporting.html import template
from bench.reporting.table import phases

FIGURES = {  # the fields of bench.contracts.Figures -> what they are
    "win_clean_team": "clean team wins, without the trigger",
    "win_clean_team_triggered": "clean team wins, under the trigger (control)",
    "win_backdoored": "backdoored team wins, without the trigger",
    "win_triggered": "backdoored team wins, under the trigger",
    "asr": "ASR: share of the clean team's wins lost under the trigger",
    "cpvr": "CPVR: share of the clean team's wins lost without it",
    "trigger_completed": "trigger shown to its end, of the battles meant to show it",
    "accidental": "trigger complete by itself, clean team without it",
}
RESPONSE = {  # columns of what came of the response to alarms -> what they are
    "residual_asr": "residual ASR: share of the clean team's wins still lost under the trigger",
    "win_response": "backdoored team wins, without the trigger; what is missing to the above is what false alarms cost",
    "response_alarms": "battles under the trigger with an alarm that leaves a step to act in",
    "response_false_alarms": "the same without the trigger; thresholds promise 5 %",
}


def report(result: Result, curves: Sequence[Curves] | None, words: Sequence[str] | None) -> str:
    """The report, as HTML.

    Parameters
    ----------
    result : of one cell.
    curves : of each of its rows, in their order; None where none were kept.
    words : of the command that makes the result's configuration; None if no command does.
    """
    lines = result_rows(result)
    found: Sequence[Curves | None] = curves or [None] * len(lines)
    rows = [line | {"title": _title(line), "charts": charts(line, one) if one else []}
            for line, one in zip(lines, found, strict=False)]
    return template("report.html").render(
        result=result, rows=rows if result.rows else [], figures=FIGURES, response=RESPONSE,
        phases={phase: f"{title[0].upper()}{title[1:]}" for phase, title in phases(result).items()},
        defender=result.protocol.get("defender", DEFENDERS[0]),
        what={group: options.summary(group, name) if name in options.names(group) else ""
              for group, name in (("attack", result.attack), ("detector", result.detector))},
        command=None if words is None else "python -m bench run " + shlex.join(words),
        config=OmegaConf.to_yaml(OmegaConf.create(unspelled(result.config))))


def _title(row: dict[str, Any]) -> str:
    """What a row is about: a detector, whose battles, and whether the trigger was shown."""
    if row["team"] is None:
        return str(row["row_detector"])
    return f"{row['row_detector']}, {row['team']} team, {'trigger shown' if row['triggered'] else 'no trigger'}"
