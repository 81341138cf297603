"""What the attack does, from battles of the clean and of the backdoored team."""

from __future__ import annotations

from dataclasses import dataclass

from bench.contracts import NEVER, Attack, Figures, Labels
from bench.metrics.attack import loss_rate, poisoned_share, rate
from bench.protocol.watch import Watched


@dataclass(frozen=True)
class Outcomes:
    """How a team's test battles went, without the trigger and with it."""

    normal: Labels
    triggered: Labels


def figures(clean: Outcomes, backdoored: Outcomes) -> Figures:
    """Win rates, the paper's two metrics, and how often the trigger completes."""
    return Figures(
        win_clean_team=rate(clean.normal.won),
        win_clean_team_triggered=rate(clean.triggered.won),
        win_backdoored=rate(backdoored.normal.won),
        win_triggered=rate(backdoored.triggered.won),
        asr=loss_rate(clean.normal.won, backdoored.triggered.won),
        cpvr=loss_rate(clean.normal.won, backdoored.normal.won),
        trigger_completed=rate(backdoored.triggered.completion != NEVER),
        accidental=rate(clean.normal.completion != NEVER))


def poisoned_steps(attack: Attack, watched: Watched) -> float:
    """The share of the steps of the backdoored team's retraining that belong to a trigger or an attack period."""
    if not attack.poisons:
        return 0.0
    seen = watched.triggered.labels
    return attack.poison_rate * poisoned_share(seen.trigger, seen.attack(attack.duration), watched.triggered.mask)
