"""False alarms of a detector on a team's battles without the trigger, as usual and under benign shifts."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from bench import BENCHMARK, options
from bench.artifacts.files import config_hash, locked, write_atomic
from bench.artifacts.reading import read_table
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import Battles, Episodes
from bench.errors import BenchError, unknown
from bench.harness.configuration import check, check_places, describe, option
from bench.harness.hosts import hosted
from bench.harness.memory import require, watching
from bench.harness.referee import seeds
from bench.harness.teams import Say, Stage, backdoored_team
from bench.marl.play import play
from bench.marl.team import Team
from bench.protocol.host import Host
from bench.protocol.shifts import FalseAlarms, Shift, false_alarms
from bench.protocol.watch import Watched, needs

COLUMNS = ["shift", "battles", *(f"{name}{end}" for name in ("wins", "alarms_at_1", "alarms_at_5")
                                 for end in ("", "_low", "_high"))]
ABOUT = ["env", "algo", "attack", "seed", "detector"]


def counted(cfg: DictConfig, stage: Stage, say: Say) -> tuple[Path, pd.DataFrame]:
    """Fit the configured detector to the configured attack's team, and count its false alarms in battles as usual and
    under each shift.

    Returns the file that the table was written to, and the table: a line a shift, with ``wins``, ``alarms_at_1`` and
    ``alarms_at_5``, each with the ends of its 95 % interval. A shift that this environment cannot have is left out, and
    ``say`` tells why.
    """
    check(cfg)
    check_places(cfg)
    shifts = {name: build(option("shift", name), "shift") for name in _chosen(cfg)}
    battles: Battles = build(cfg.env, "environment")
    about = describe(cfg)
    sizes = {name: int(cfg.budget[name]) for name in ("fit_battles", "shift_calibration_battles", "shift_battles")}
    with hosted(cfg, about.config, None) as host:
        record = needs([host])
        checkpoint = backdoored_team(cfg, cfg.attack, battles, stage, say)
        key = config_hash([about.config["detector"], checkpoint.sha256, battles.spec.version, sizes, sorted(shifts),
                           [plain(option("shift", name)) for name in sorted(shifts)], dict(seeds(cfg)), BENCHMARK])
        path = Path(cfg.out) / "shifts" / f"{checkpoint.name}-{about.detector}-{key}.csv"
        with locked(path):
            if path.exists():
                say(f"read from {path}; delete it to count again")
                return path, _read(path)
            held = {**sizes, "shift_battles": sizes["shift_battles"] * (1 + len(shifts))}
            require(watching(battles.spec, {f"budget.{name}": n for name, n in held.items()}, record), say)
            found = _counted(cfg, battles, checkpoint.team, host, shifts, sizes, record, stage, say)
            about_it = [battles.spec.id, checkpoint.team.algo, str(cfg.attack.name), int(cfg.seed), about.detector]
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


def _counted(cfg: DictConfig, battles: Battles, team: Team, host: Host, shifts: Mapping[str, Shift],
             sizes: Mapping[str, int], record: frozenset[str], stage: Stage, say: Say) -> list[FalseAlarms]:
    drawn, n = seeds(cfg), sizes["shift_battles"]
    usual: dict[str, Episodes] = {}
    for purpose, many in (("fit", sizes["fit_battles"]), ("calibration", sizes["shift_calibration_battles"]),
                          ("normal", n)):
        with stage(f"watching the team as usual: {purpose}") as progress:
            usual[purpose] = play(battles, team, many, drawn[purpose], record=record, progress=progress)
    shifted: dict[str, Episodes] = {}
    for name, shift in shifts.items():
        try:
            place = _moved(cfg.env, shift, battles)
            moved = team.moved(place.spec)
        except BenchError as error:
            say(f"{name} is left out: {error}")
            continue
        with stage(f"watching the team, {name}") as progress:
            shifted[name] = shift.play(place, moved, n, drawn["normal"], record, progress)
    watched = Watched(usual["fit"], usual["calibration"], usual["normal"], usual["normal"])
    with stage("counting false alarms") as progress:
        found = false_alarms(host, watched, shifted, team)
        progress(1.0, "")
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
    figures = [end for one in (found.wins, found.at_1, found.at_5) for end in (one.value, one.low, one.high)]
    return dict(zip(COLUMNS, [found.shift, found.battles, *figures], strict=True))
