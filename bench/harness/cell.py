"""One cell, an attack and a detector: teams, measuring, a result on disk."""

from __future__ import annotations

import copy
import datetime
import time
from contextlib import ExitStack
from dataclasses import fields, replace
from pathlib import Path

from omegaconf import DictConfig, open_dict

from bench import BENCHMARK, plugins, terminal
from bench.artifacts.episodes import episodes_written
from bench.artifacts.files import config_hash, locked
from bench.artifacts.results import curves_written, delete_result, read_result, write_curves, write_result
from bench.artifacts.shared import Alone
from bench.build import build
from bench.contracts import Attack, Battles, Detector, Estimate, Figures, Result
from bench.errors import BenchError
from bench.harness.composed import part
from bench.harness.configuration import check, check_places, describe, git_sha, option, packages
from bench.harness.hosts import hosted
from bench.harness.lookup import base_of
from bench.harness.measure import measure, sizes
from bench.harness.memory import battles_of, require, watching
from bench.harness.names import called
from bench.harness.remembered import Memory
from bench.harness.responders import responder
from bench.harness.store import store_of
from bench.harness.teams import Say, Stage, backdoored_team, clean_team
from bench.leaderboard.rows import add_rows
from bench.protocol.host import Host, InProcess, usable
from bench.protocol.plan import FLOORS
from bench.protocol.watch import needs


def run(cfg: DictConfig, stage: Stage, *, say: Say = terminal.say, detector: Detector | None = None,
        memory: Memory | None = None) -> Result:
    """One cell: an attack, a detector, a result on disk. A result of the same teams that is there is read instead.

    Cells that are given the same ``memory`` share the battles of their teams, and what the floors make of them."""
    began, revision = time.perf_counter(), git_sha()
    check(cfg)
    check_places(cfg)
    if detector is not None:
        usable(detector)
    battles: Battles = build(cfg.env, "environment")
    response = responder(cfg, "calibration_battles", battles.spec)
    attack: Attack = build(cfg.attack, "attack")
    about = describe(cfg, detector)
    key = config_hash(about.config)
    base = base_of(cfg, about.detector, key)
    store = store_of(cfg) if detector is None else Alone()  # of an object no other machine knows
    with locked(base, -1 if cfg.get("store") else 0, say), ExitStack() as held:
        ours = held.enter_context(store.claimed(base, say))
        detectors: dict[str, Host] = {about.detector: held.enter_context(hosted(cfg, about.config, detector))}
        detectors |= {name: InProcess(build(option("detector", name), "detector")) for name in FLOORS}
        record = needs(detectors.values())  # before anything is trained, it is known that there is what they need
        held_teams = min(1 if memory is None else memory.teams, 2 if cfg.get("control") is None else 3)
        require(watching(battles.spec, battles_of(cfg), record, held_teams), say)
        teams = {"backdoored": backdoored_team(cfg, cfg.attack, battles, stage, say),
                 "clean": clean_team(cfg, battles, stage, say)}
        attack = teams["backdoored"].attack or attack
        if (control := control_of(cfg, attack)) is not None:
            teams[called(control, "attack")] = backdoored_team(cfg, control, battles, stage, say)
        checkpoints = {role: team.sha256 for role, team in teams.items()}
        result = None if detector is not None else read_result(base)
        if result is not None and (result.checkpoints != checkpoints or result.env_version != battles.spec.version):
            delete_result(base)  # of other teams: should this fail, it must not be taken for an answer
            result = None
        if result is not None and curves_written(base) and (not cfg.keep_episodes or episodes_written(base)):
            store.offer(base)
            say(f"read from {base}.json; delete it to run again")
            if not any(part(override) == "detector" for override in result.overrides):  # of an object; now there are
                result = replace(result, overrides=about.overrides)
                write_result(base, result)
        else:
            measured = measure(cfg, battles, attack, detectors, teams, response, stage, base, memory,
                               keep=cfg.keep_scores and detector is None)
            result = Result(
                status="ok", error=None, benchmark_version=BENCHMARK, env=battles.spec.id,
                env_version=battles.spec.version, algo=teams["clean"].team.algo, attack=attack.name,
                trigger_kind=attack.trigger.means,
                trigger_length=attack.trigger.length, agents_poisoned=len(attack.victims) if attack.poisons else 0,
                poison_rate=attack.poison_rate if attack.poisons else 0.0, poisoned_steps=measured.poisoned_steps,
                detector=about.detector, view=about.view, seed=int(cfg.seed), config=about.config,
                overrides=about.overrides, config_hash=key, checkpoints=checkpoints,
                checkpoint_id=teams["backdoored"].name, sizes=sizes(cfg), figures=measured.figures,
                rows=measured.rows, packages=packages(), git_sha=revision,
                date=_now(), runtime_s=round(time.perf_counter() - began, 1), response=measured.response)
            write_curves(base, measured.curves)
            write_result(base, result)
            if ours:
                result = (read_result(base) if store.publish(base) else None) or result
            else:  # of other teams than what was here, or in the store
                store.offer(base)
        add_rows(Path(cfg.leaderboard), result)
    return result


def control_of(cfg: DictConfig, attack: Attack) -> DictConfig | None:
    """The control's configuration. Where the attack's has no ``victim``, the control's is the agents that the attack
    names; a control of another package has its own parameters alone."""
    control = copy.deepcopy(cfg.get("control"))
    if control is None or control.get("victim", 0) is not None:
        return control
    with open_dict(control):
        del control["victim"]
        if not plugins.origin(str(control.get("_target_"))):
            control.victim = attack.victims[0] if len(attack.victims) == 1 else list(attack.victims)
    return control


def record_failure(cfg: DictConfig, error: Exception) -> None:
    """Put a cell of a sweep that failed into the leaderboard, so that no cell is missing there without a word, unless
    its configuration is too wrong for a row to name it."""
    try:
        about = describe(cfg)
        attack, algo = called(cfg.attack, "attack"), called(cfg.algo, "algorithm")
    except (BenchError, KeyError, TypeError):
        return
    seed = cfg.seed if isinstance(cfg.seed, int) else -1
    nothing = Estimate(None)
    try:
        spec = build(cfg.env, "environment").spec
        env, env_version = spec.id, spec.version
    except BenchError:
        env, env_version = str(cfg.env.get("map")), "unknown"
    add_rows(Path(cfg.leaderboard), Result(
        status="error", error=str(error), benchmark_version=BENCHMARK, env=env, env_version=env_version,
        algo=algo, attack=attack, trigger_kind=None, agents_poisoned=None,
        poison_rate=None, poisoned_steps=None, detector=about.detector, view=about.view,
        seed=seed, config=about.config, overrides=about.overrides, config_hash=config_hash(about.config),
        checkpoints={}, checkpoint_id=None, sizes=sizes(cfg), figures=Figures(*[nothing] * len(fields(Figures))),
        rows=[], packages=packages(), git_sha=git_sha(),
        date=_now(), runtime_s=0.0))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
