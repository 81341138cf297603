"""False alarms of a detector on a team's battles without the trigger, as usual and under benign shifts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from bench import BENCHMARK, options
from bench.artifacts.files import config_hash, locked, write_atomic
from bench.artifacts.reading import read_table
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import Battles, Episodes, Responder
from bench.errors import BenchError, unknown
from bench.harness.configuration import check, check_places, describe, option
from bench.harness.hosts import hosted
from bench.harness.memory import require, watching
from bench.harness.referee import seeds
from bench.harness.responders import responder
from bench.harness.teams import Say, Stage, backdoored_team, clean_team
from bench.marl.play import play
from bench.marl.team import Team
from bench.metrics.attack import rate
from bench.protocol.host import Host
from bench.protocol.response import standing_by
from bench.protocol.seeds import PUBLIC
from bench.protocol.shifts import FalseAlarms, Shift, false_alarms
from bench.protocol.watch import Watched, needs

FIGURES = {"wins": "wins", "alarms_at_1": "at_1", "alarms_at_5": "at_5", "wins_responding": "wins_responding"}
COLUMNS = ["shift", "battles", *(f"{name}{end}" for name in FIGURES for end in ("", "_low", "_high"))]
ABOUT = ["env", "algo", "attack", "seed", "detector", "response"]


def counted(cfg: DictConfig, stage: Stage, say: Say) -> tuple[Path, pd.DataFrame]:
    """Fit the configured detector to the configured attack's team, and count its false alarms in battles as usual and
    under each shift; with a response, also how many of the same battles are won when it answers them.

    Returns the file that the table was written to, and the table: a line a shift, with ``wins``, ``alarms_at_1``,
    ``alarms_at_5`` and ``wins_responding``, each with the ends of its 95 % interval. A shift that this environment
    cannot have is left out, and ``say`` tells why.
    """
    check(cfg)
    check_places(cfg)
    shifts = {name: build(option("shift", name), "shift") for name in _chosen(cfg)}
    battles: Battles = build(cfg.env, "environment")
    response = responder(cfg, "shift_calibration_battles", battles.spec)
    about = describe(cfg)
    sizes = {name: int(cfg.budget[name]) for name in ("fit_battles", "shift_calibration_battles", "shift_battles")}
    with hosted(cfg, about.config, None) as host:
        record = needs([host])
        checkpoint = backdoored_team(cfg, cfg.attack, battles, stage, say)
        clean = None if response is None else clean_team(cfg, battles, stage, say).team
        key = config_hash([about.config["detector"], about.config["response"], checkpoint.sha256,
                           battles.spec.version, sizes, sorted(shifts),
                           [plain(option("shift", name)) for name in sorted(shifts)], dict(seeds(cfg)), BENCHMARK])
        path = Path(cfg.out) / "shifts" / f"{checkpoint.name}-{about.detector}-{key}.csv"
        with locked(path):
            if path.exists():
                say(f"read from {path}; delete it to count again")
                return path, _read(path)
            held = {**sizes, "shift_battles": sizes["shift_battles"] * (1 + len(shifts))}
            require(watching(battles.spec, {f"budget.{name}": n for name, n in held.items()}, record), say)
            played = _played(cfg, battles, checkpoint.team, shifts, sizes, record, stage, say)
            with stage("counting false alarms") as progress:
                found = false_alarms(host, played.usual, played.shifted, checkpoint.team)
                progress(1.0, "")
            if response is not None and clean is not None:
                found = _answered(found, played, response, clean, checkpoint.team, host, stage)
            about_it = [battles.spec.id, checkpoint.team.algo, str(cfg.attack.name), int(cfg.seed), about.detector,
                        str(cfg.response.name)]
            table = pd.DataFrame([_line(one) | dict(zip(ABOUT, about_it, strict=True)) for one in found])
            write_atomic(path, table.to_csv(index=False).encode())
    return path, table


def _read(path: Path) -> pd.DataFrame:
    """A table that was written before. BenchError if it is none."""
    table = read_table(path)
    figures = [name for name in COLUMNS if name != "shift"]
    if not {*COLUMNS, *ABOUT}.issubset(table) or table.empty or not all(
            pd.api.types.is_numeric_dtype(table[name]) for name in figures):
        raise BenchError(f"{path} is corrupt: it is no table of false alarms; delete it to count again")
    return table


def _chosen(cfg: DictConfig) -> list[str]:
    known = options.names("shift")
    if cfg.shifts is None:
        return known
    asked = [cfg.shifts] if isinstance(cfg.shifts, str) else list(cfg.shifts)
    for name in asked:
        if name not in known:
            raise unknown("shift", str(name), known)
    return asked


@dataclass
class _Played:
    """Battles as usual and shifted, and how to play them again."""

    usual: Watched
    shifted: dict[str, Episodes] = field(default_factory=dict)
    again: dict[str, Callable[..., Episodes]] = field(default_factory=dict)  # the same, by shift, "none" among them
    places: dict[str, Battles] = field(default_factory=dict)


def _played(cfg: DictConfig, battles: Battles, team: Team, shifts: Mapping[str, Shift], sizes: Mapping[str, int],
            record: frozenset[str], stage: Stage, say: Say) -> _Played:
    """Watch the team as usual and under each shift that this environment can have."""
    drawn, n = seeds(cfg), sizes["shift_battles"]
    usual: dict[str, Episodes] = {}
    for purpose, many in (("fit", sizes["fit_battles"]), ("calibration", sizes["shift_calibration_battles"]),
                          ("normal", n)):
        with stage(f"watching the team as usual: {purpose}") as progress:
            usual[purpose] = play(battles, team, many, drawn[purpose], record=record, progress=progress)
    played = _Played(Watched(usual["fit"], usual["calibration"], usual["normal"], usual["normal"]))
    for name, shift in {"none": Shift(), **shifts}.items():
        try:
            place = _moved(cfg.env, shift, battles)
            moved = team.moved(place.spec)
        except BenchError as error:
            say(f"{name} is left out: {error}")
            continue
        played.places[name] = place
        played.again[name] = partial(shift.play, place, moved, n, drawn["normal"], record)
        if name != "none":
            with stage(f"watching the team, {name}") as progress:
                played.shifted[name] = played.again[name](progress)
    return played


def _answered(found: list[FalseAlarms], played: _Played, response: Responder, clean: Team, team: Team, host: Host,
              stage: Stage) -> list[FalseAlarms]:
    """The same with the share of the same battles that is won when a response answers the alarms."""
    usual = played.usual
    with standing_by(response, host, usual.fit, usual.calibration, team, PUBLIC["shuffle"]) as sentry:
        for k, one in enumerate(found):
            spec = played.places[one.shift].spec
            with stage(f"playing with the detector inside, {one.shift}") as progress, sentry(
                    team.moved(spec), clean.moved(spec)) as guard:
                won = played.again[one.shift](progress, guard).labels.won
            found[k] = replace(one, wins_responding=rate(won))
    return found


def _moved(env: DictConfig, shift: Shift, battles: Battles) -> Battles:
    """The environment that a shift plays in. Raises BenchError if it cannot be, or would be the same."""
    if not shift.env:
        return battles
    if missing := [name for name in shift.env if name not in env]:
        raise BenchError(f"{battles.spec.id} has no value '{missing[0]}'")
    node = copy.deepcopy(env)
    node.merge_with(dict(shift.env))
    moved: Battles = build(node, "environment")
    if moved.spec.id == battles.spec.id:
        raise BenchError(f"{battles.spec.id} is so as usual")
    return moved


def _line(found: FalseAlarms) -> dict[str, object]:
    estimates = [getattr(found, name) for name in FIGURES.values()]
    figures = [end for one in estimates for end in (one.value, one.low, one.high)]
    return dict(zip(COLUMNS, [found.shift, found.battles, *figures], strict=True))
