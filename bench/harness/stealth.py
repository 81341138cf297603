"""A team's stealth: what it gives away without the trigger, in battles of its own, as a line of a table."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from bench import BENCHMARK
from bench.build import build
from bench.contracts import STAND_IN, Attack, Battles, Progress
from bench.errors import BenchError
from bench.harness import zoo
from bench.harness.cell import control_of
from bench.harness.configuration import check, check_places, git_sha
from bench.harness.executors import Executor
from bench.harness.names import backdoored_name, called
from bench.harness.teams import Checkpoint, Say, Stage, backdoored_team, clean_team, find
from bench.leaderboard.stealth import add_row, known, read_stealth, stealth_file, stealth_row
from bench.protocol.stealth import measure


def measured(cfg: DictConfig, stage: Stage, say: Say) -> pd.DataFrame:
    """The line of the configured attack's team, measured and added to the table beside ``cfg.leaderboard``, or read
    there.

    Raises BenchError for an attack that leaves the clean team as it is, and on a stand-in of a simulator.
    """
    check(cfg)
    check_places(cfg)
    battles: Battles = build(cfg.env, "environment")
    attack: Attack = build(cfg.attack, "attack")
    if not attack.changes_team:
        raise BenchError(f"attack={attack.name} leaves the clean team as it is: there is nothing to give away")
    path, n, version = Path(cfg.leaderboard), cfg.budget.stealth_battles, battles.spec.version
    if version.startswith(STAND_IN):
        raise BenchError(f"{battles.spec.id} is a stand-in of a simulator here ({version}): nothing is measured on it")
    team = backdoored_team(cfg, cfg.attack, battles, stage, say)
    there = known(read_stealth(path), team.sha256, version, n)
    if len(there):
        say(f"read from {stealth_file(path)}; delete its line of {team.name} to measure it again")
        return there
    clean, attack = clean_team(cfg, battles, stage, say), team.attack or attack
    retrained = _retrained(cfg, attack, battles, team, stage, say)
    with stage(f"watching {team.name}") as progress:
        found = measure(battles, attack, clean.team, team.team, None if retrained is None else retrained.team,
                        team.sha256, n, cfg.budget.accident_battles, progress)
    row = stealth_row(
        found, checkpoint_sha256=team.sha256, checkpoint_id=team.name, clean_sha256=clean.sha256,
        retrained_id=None if retrained is None else retrained.name, benchmark_version=BENCHMARK, env=battles.spec.id,
        env_version=version, algo=team.team.algo, attack=attack.name, seed=int(cfg.seed),
        victims=" ".join(map(str, attack.victims)), git_sha=git_sha(),
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"))
    add_row(path, row)
    return row


def _retrained(cfg: DictConfig, attack: Attack, battles: Battles, team: Checkpoint, stage: Stage,
               say: Say) -> Checkpoint | None:
    """The control, if it is there and is not the team itself; none is trained for this."""
    control = control_of(cfg, attack)
    if control is None:
        return None
    name = backdoored_name(cfg, control, battles.spec)
    if name == team.name:
        return None
    if find(name, cfg, battles) is None:
        say(f"{name} is not there, and the figures of a benignly retrained team are left out; python -m bench inject "
            f"attack={called(control, 'attack')} attack.victim={','.join(map(str, attack.victims))} would make it")
        return None
    return backdoored_team(cfg, control, battles, stage, say)


def measure_all(cfg: DictConfig, overrides: Sequence[str], progress: Progress, executor: Executor) -> dict[str, str]:
    """Measure the zoo's teams that have a file; returns name -> error of those that failed.

    Teams that have a line in the table are only read, so that the same command goes on after a kill. ``overrides`` are
    further ones for every command.
    """
    teams = [place for place in zoo.places(cfg, overrides) if place.attack != "clean" and place.file is not None]
    errors: dict[str, str] = {}
    ended = 0

    def done(number: int, error: str | None) -> None:
        nonlocal ended
        ended += 1
        if error is not None:
            errors[teams[number].name] = error
        progress(ended / len(teams), f"{ended} of {len(teams)} teams, the last {teams[number].name}")

    progress(0.0, f"0 of {len(teams)} teams")
    executor.run([["stealth", *place.command[1:]] for place in teams], done)
    return errors
