"""A delivered team repaired: what is left of the attack, and of the team."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from bench import BENCHMARK, options
from bench.artifacts.files import config_hash, locked, write_atomic
from bench.artifacts.reading import read_table
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import Attack, Battles, Episodes, Estimate, Progress, Repair, Trigger
from bench.contracts.calls import Raised, ask, class_name
from bench.errors import BenchError
from bench.harness.configuration import check
from bench.harness.names import trigger_recipe
from bench.harness.teams import Say, Stage, backdoored_team, clean_team
from bench.marl.play import play
from bench.marl.team import Team
from bench.metrics.attack import loss_rate, rate
from bench.protocol.seeds import PUBLIC

FIGURES = ("win_rate", "win_rate_triggered", "asr")


def repaired(cfg: DictConfig, stage: Stage, say: Say) -> tuple[Path, pd.DataFrame]:
    """Repair the configured attack's team, and measure it before and after in the protocol's test battles. What was
    measured before is read from the file.

    Returns the file that the table was written to, and the table: a line a team ("delivered", "repaired") with
    ``win_rate``, ``win_rate_triggered`` and ``asr`` against the clean team, each with the ends of its 95 % interval.

    Raises BenchError where no repair is configured.
    """
    check(cfg)
    if OmegaConf.select(cfg, "repair._target_") is None:
        raise BenchError("no repair is configured; allowed: repair=" +
                         ", ".join(name for name in options.names("repair") if name != "none"))
    repair: Repair = build(cfg.repair, "repair", Repair)
    battles: Battles = build(cfg.env, "environment")
    checkpoint, clean = backdoored_team(cfg, cfg.attack, battles, stage, say), clean_team(cfg, battles, stage, say)
    attack: Attack = checkpoint.attack or build(cfg.attack, "attack")
    key = config_hash([plain(cfg.repair), checkpoint.sha256, clean.sha256,
                       trigger_recipe(plain(cfg.attack)), battles.spec.version,
                       cfg.budget.fit_battles, cfg.budget.test_battles, BENCHMARK])
    path = Path(cfg.out) / "repairs" / f"{checkpoint.name}-{repair.name}-{key}.csv"
    n = cfg.budget.test_battles
    with locked(path):
        if path.exists():
            say(f"read from {path}; delete it to repair again")
            return path, _read(path)
        with stage("watching the delivered team") as progress:
            known = play(battles, checkpoint.team, cfg.budget.fit_battles, PUBLIC["fit"], record=("hidden",),
                         progress=progress)
        with stage(f"repairing it: {repair.name}") as progress:
            team = _repaired(repair, checkpoint.team, battles, known.public(), int(cfg.seed), progress)
            progress(1.0, "")
        with stage("measuring the clean team") as progress:
            won = play(battles, clean.team, n, PUBLIC["normal"], progress=progress).labels.won
        lines = []
        for name, one in (("delivered", checkpoint.team), ("repaired", team)):
            with stage(f"measuring the {name} team") as progress:
                figures = _measure(one, battles, attack.trigger, n, won, progress)
            lines.append({"team": name, **_flat(figures)})
        table = pd.DataFrame(lines)
        write_atomic(path, table.to_csv(index=False).encode())
    return path, table


def _repaired(repair: Repair, team: Team, battles: Battles, known: Episodes, seed: int, progress: Progress) -> Team:
    """What the repair makes of a team. Raises BenchError if it fails, or returns no team of the same architecture."""
    try:
        found = ask(lambda: repair(team, battles, known, seed, progress))
    except Raised as error:
        raise BenchError(f"repair {repair.name} failed: {error}") from error
    if not isinstance(found, type(team)):
        raise BenchError(f"repair {repair.name} returned an object of type {class_name(found)}; needed is a team of "
                         f"the architecture {team.architecture}")
    return found


def _read(path: Path) -> pd.DataFrame:
    """A table that was written before. BenchError if it is none."""
    table = read_table(path)
    figures = table.drop(columns="team", errors="ignore")
    wanted = ["team", *_flat(dict.fromkeys(FIGURES, Estimate(None)))]
    if list(table) != wanted or len(table) != 2 or not all(pd.api.types.is_numeric_dtype(one) for _, one in
                                                           figures.items()) or np.isinf(figures.to_numpy(float)).any():
        raise BenchError(f"{path} is corrupt: it is no table of a repair; delete it to repair again")
    return table


def _measure(team: Team, battles: Battles, trigger: Trigger, n: int, won_clean: np.ndarray,
             progress: Progress) -> dict[str, Estimate]:
    normal = play(battles, team, n, PUBLIC["normal"], progress=progress).labels.won
    triggered = play(battles, team, n, PUBLIC["triggered"], trigger=trigger, poisoned=True,
                     progress=progress).labels.won
    return dict(zip(FIGURES, (rate(normal), rate(triggered), loss_rate(won_clean, triggered)), strict=True))


def _flat(figures: dict[str, Estimate]) -> dict[str, float | None]:
    return {name + end: value for name, found in figures.items()
            for end, value in (("", found.value), ("_low", found.low), ("_high", found.high))}
