"""The same battles with and without the trigger, recorded for pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from bench.build import build
from bench.contracts import NEVER, Attack, Battles, Episodes
from bench.errors import BenchError
from bench.harness.configuration import check
from bench.harness.teams import Say, Stage, backdoored_team, clean_team
from bench.marl.play import play
from bench.metrics import behaviour
from bench.protocol.seeds import PUBLIC

RECORD = ("position", "present", "orders")


@dataclass(frozen=True)
class Scenes:
    """A backdoored team in the same battles, without the trigger and with it, and the curve of its making."""

    name: str  # of the checkpoint
    attack: Attack
    battles: Battles
    curve: list[dict[str, float]]
    clean_curve: list[dict[str, float]]
    normal: Episodes
    triggered: Episodes


def film(cfg: DictConfig, stage: Stage, say: Say) -> Scenes:
    """Play the configured team's test battles for pictures. Raises BenchError for a team without a backdoor."""
    check(cfg)
    battles: Battles = build(cfg.env, "environment")
    attack: Attack = build(cfg.attack, "attack")
    if not attack.poisons:
        raise BenchError(f"attack={attack.name} leaves no backdoor to draw")
    clean, team = clean_team(cfg, battles, stage, say), backdoored_team(cfg, cfg.attack, battles, stage, say)
    attack = team.attack or attack
    record = [*RECORD, *(f"extras.{name}" for name in battles.spec.extras)]
    with stage("playing battles for the pictures") as progress:
        normal, triggered = (
            play(battles, team.team, cfg.budget.test_battles, PUBLIC["normal"], trigger=attack.trigger, poisoned=shown,
                 record=record, progress=lambda share, what, half=shown: progress(  # type: ignore[misc]
                     (share + half) / 2, what))
            for shown in (False, True))
    return Scenes(team.name, attack, battles, team.about["curve"], clean.about["curve"], normal, triggered)


def conduct(scenes: Scenes) -> pd.DataFrame:
    """What the clean agents do before and during the attack, with the trigger and, in the same steps of the same
    battles, without it: a line a phase and figure, with means, 95 % intervals and the p-value of a paired test."""
    completion = scenes.triggered.labels.completion
    shown = np.nonzero(completion != NEVER)[0]
    start = completion[shown]
    windows = {"before": (start - scenes.attack.trigger.length, start),
               "during": (start, start + scenes.attack.duration)}
    lines = []
    for phase, window in windows.items():
        sides = [_figures(episodes[shown], window, scenes.attack.victims)
                 for episodes in (scenes.normal, scenes.triggered)]
        for name in sides[0]:
            line: dict[str, Any] = {"phase": phase, "figure": name}
            for side, values in zip(("without", "with"), (sides[0][name], sides[1][name]), strict=True):
                found = behaviour.mean(values)
                line |= {side: found.value, f"{side}_low": found.low, f"{side}_high": found.high}
            lines.append(line | {"p": behaviour.paired_p(sides[0][name], sides[1][name]), "battles": len(shown)})
    return pd.DataFrame(lines)


def _figures(episodes: Episodes, window: tuple[np.ndarray, np.ndarray], victims: tuple[int, ...]) -> dict:
    """(episode,) values by name, of the agents that are not poisoned, in the steps of a window."""
    step = np.arange(episodes.mask.shape[1])
    inside = episodes.mask & (step >= window[0][:, None]) & (step < window[1][:, None])
    acting = np.delete(episodes.alive & inside[..., None], victims, axis=2)
    action = np.delete(episodes.action, victims, axis=2)
    spec = episodes.described
    shares = behaviour.action_shares(action, acting, spec)
    return dict(zip(spec.action_kinds, shares.T, strict=True)) | {
        "focus fire": behaviour.focus_fire(action, acting, spec)}
