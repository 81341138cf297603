"""One cell, an attack and a detector: battles, teams, watching, judging, a result on disk."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_module
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, open_dict
from omegaconf.errors import OmegaConfBaseException

from bench import BENCHMARK, compat, plugins, terminal
from bench.artifacts.episodes import episodes_written, write_episodes
from bench.artifacts.files import config_hash, locked
from bench.artifacts.results import curves_written, delete_result, read_result, write_curves, write_result
from bench.artifacts.written import plain
from bench.contracts import (
    NEVER,
    Attack,
    Battles,
    Curves,
    Detector,
    Episodes,
    Estimate,
    Figures,
    Labels,
    Response,
    Result,
    Row,
)
from bench.errors import BenchError
from bench.harness.build import build, check, check_places, describe, git_sha, option, packages
from bench.harness.host import Host, InProcess, usable
from bench.harness.isolation import hosted
from bench.harness.judge import Judgement, Memory, Watched, judge, needs, scored, watch, without_trigger
from bench.harness.memory import battles_of, require, watching
from bench.harness.response import check_response, respond
from bench.harness.seeds import seeds
from bench.harness.teams import Checkpoint, Say, Stage, backdoored_team, clean_team
from bench.marl.play import play
from bench.marl.process import tune
from bench.marl.team import Team
from bench.metrics.attack import loss_rate, poisoned_share, rate
from bench.overrides import explained, prepared
from bench.reporting.leaderboard import add_rows

FLOORS = ("constant", "random", "episode_length")


@contextmanager
def silent(_: str):
    """A stage that shows nothing."""
    yield lambda *_: None


def evaluate(detector: Detector | str | None = None, *, overrides: tuple[str, ...] = (), stage: Stage = silent,
             say: Say = terminal.say, **choices: Any) -> Result:
    """Measure a detector against an attack; the same as ``python -m bench run``.

    Parameters
    ----------
    detector : an object with ``fit`` and ``score`` (:class:`bench.contracts.Detector`), or the name of an option of
        conf/detector; without one, the configured.
    stage, say : how to show progress and remarks; by default only remarks, on standard output.
    choices : configuration groups and values, as on the command line: ``attack="spatiotemporal"``, ``algo="qmix"``,
        ``seed=1``, ``out="results"`` ...
    overrides : further ones, written as on the command line: ``("budget.test_battles=200",)``.

    Raises
    ------
    BenchError : anything wrong with what was asked for; DetectorError, one of them, if the detector is at fault.
    """
    tune()
    made: Detector | None = None
    if issubclass(type(detector), str):  # isinstance would ask the detector itself
        choices = choices | {"detector": detector}
    else:
        made = cast("Detector | None", detector)
    words = [*(f"{name}={value}" for name, value in choices.items()), *overrides]
    plugins.register()
    words = plugins.words(prepared(words))
    with initialize_config_module("bench.conf", **compat.VERSION):
        try:
            cfg = compose("config", words, return_hydra_config=True)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise explained(error, words, command_line=False) from error
        HydraConfig.instance().set_config(cfg)  # as the command line does it
        with open_dict(cfg):
            del cfg["hydra"]
        return run(cfg, stage, say=say, detector=made)


def run(cfg: DictConfig, stage: Stage, *, say: Say = terminal.say, detector: Detector | None = None,
        memory: Memory | None = None) -> Result:
    """One cell: an attack, a detector, a result on disk. A result of the same teams that is there is read instead.

    Cells that are given the same ``memory`` share the battles of their teams, and what the floors make of them."""
    began, revision = time.perf_counter(), git_sha()
    check(cfg)
    check_places(cfg)
    check_response(cfg)
    if detector is not None:
        usable(detector)
    config, detector_name = describe(cfg, detector)
    key = config_hash(config)
    base = _base(cfg, detector_name, key)
    with locked(base), ExitStack() as held:
        detectors: dict[str, Host] = {detector_name: held.enter_context(hosted(cfg, config, detector))}
        battles: Battles = build(cfg.env, "environment")
        attack: Attack = build(cfg.attack, "attack")
        detectors |= {name: InProcess(build(option("detector", name), "detector")) for name in FLOORS}
        record = needs(detectors.values())  # before anything is trained, it is known that there is what they need
        held_teams = min(1 if memory is None else memory.teams, 2 if cfg.get("control") is None else 3)
        require(watching(battles.spec, battles_of(cfg), record, held_teams), say)
        teams = {"backdoored": backdoored_team(cfg, cfg.attack, battles, stage, say),
                 "clean": clean_team(cfg, battles, stage, say)}
        attack = teams["backdoored"].attack or attack
        if cfg.get("control") is not None:
            teams[cfg.control.name] = backdoored_team(cfg, cfg.control, battles, stage, say)
        checkpoints = {role: team.sha256 for role, team in teams.items()}
        result = None if detector is not None else read_result(base)
        if result is not None and (result.checkpoints != checkpoints or result.env_version != battles.spec.version):
            delete_result(base)  # of other teams: should this fail, it must not be taken for an answer
            result = None
        if result is not None and curves_written(base) and (not cfg.keep_episodes or episodes_written(base)):
            say(f"read from {base}.json; delete it to run again")
        else:
            measured = measure(cfg, battles, attack, detectors, teams, stage, base, memory)
            result = Result(
                status="ok", error=None, benchmark_version=BENCHMARK, env=battles.spec.id,
                env_version=battles.spec.version, algo=cfg.algo.name, attack=attack.name,
                trigger_kind=attack.trigger.means, agents_poisoned=len(attack.victims) if attack.poisons else 0,
                poison_rate=attack.poison_rate if attack.poisons else 0.0, poisoned_steps=measured.poisoned_steps,
                detector=detector_name, seed=int(cfg.seed), config=config,
                config_hash=key, checkpoints=checkpoints, checkpoint_id=teams["backdoored"].name, sizes=sizes(cfg),
                figures=measured.figures, rows=measured.rows, packages=packages(), git_sha=revision,
                date=_now(), runtime_s=round(time.perf_counter() - began, 1), response=measured.response)
            write_curves(base, measured.curves)
            write_result(base, result)
        add_rows(Path(cfg.leaderboard), result)
    return result


def finished(cfg: DictConfig) -> Result | None:
    """The result of a cell that has been run, or None."""
    config, detector_name = describe(cfg, None)
    return read_result(_base(cfg, detector_name, config_hash(config)))


def _base(cfg: DictConfig, detector: str, key: str) -> Path:
    """Where a cell's files go, without their endings."""
    return Path(cfg.out) / "runs" / f"{cfg.attack.name}-{cfg.algo.name}-{detector}-{key}"


def record_failure(cfg: DictConfig, error: Exception) -> None:
    """Put a cell of a sweep that failed into the leaderboard, so that no cell is missing there without a word, unless
    its configuration is too wrong for a row to name it."""
    try:
        config, detector_name = describe(cfg, None)
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
        algo=cfg.algo.name, attack=cfg.attack.name, trigger_kind=None, agents_poisoned=None,
        poison_rate=None, poisoned_steps=None, detector=detector_name, seed=seed,
        config=config, config_hash=config_hash(config), checkpoints={}, checkpoint_id=None, sizes=sizes(cfg),
        figures=Figures(*[nothing] * len(fields(Figures))), rows=[], packages=packages(), git_sha=git_sha(),
        date=_now(), runtime_s=0.0))


@dataclass(frozen=True)
class Measured:
    """What comes of one cell."""

    figures: Figures  # of the attack
    poisoned_steps: float  # share of the steps of its retraining
    rows: list[Row]  # of the detectors
    curves: list[Curves]  # of each row
    response: Response | None  # what came of alarms on the backdoored team, if something was done about them


def measure(cfg: DictConfig, battles: Battles, attack: Attack, detectors: dict[str, Host],
            teams: dict[str, Checkpoint], stage: Stage, base: Path,
            memory: Memory | None = None) -> Measured:
    """Watch every team and judge the detectors on it; one team at a time, for the episodes are large."""
    memory = Memory(teams=1) if memory is None else memory
    rows: list[Row] = []
    curves: list[Curves] = []
    known: dict[str, Episodes] = {}  # what the defender learns from before the backdoored team is used
    poisoned, record, numbers = 0.0, needs(detectors.values()), seeds(cfg)
    labels: dict[str, dict[str, Labels]] = {}
    trusted = _trusted(cfg, battles, teams, stage, record) if cfg.defender == "trusted" else None
    for role, checkpoint in teams.items():
        with stage(f"watching the {role} team") as progress:
            def watch_team(columns: frozenset[str], team=checkpoint.team, progress=progress) -> Watched:
                return watch(battles, team, attack.trigger, sizes(cfg), numbers, progress, columns)

            what = _what_is_watched(cfg, battles, attack, checkpoint)
            watched = memory.watched(what, record, watch_team)
        if trusted is not None:
            watched = replace(watched, fit=trusted)
        labels[role] = {"normal": watched.normal.labels, "triggered": watched.triggered.labels}
        attacked = role == "backdoored" and attack.poisons
        if role == "backdoored":
            if cfg.response.name != "none":
                known = {"fit": watched.fit, "calibration": watched.calibration}
            if cfg.keep_episodes:
                write_episodes(base, normal=watched.normal, triggered=watched.triggered)
        if attacked:
            seen = watched.triggered.labels
            poisoned = attack.poison_rate * poisoned_share(
                seen.trigger, seen.attack(attack.duration), watched.triggered.mask)
        with stage(f"judging the detector on the {role} team") as progress:
            names = list(detectors) if role == "backdoored" else list(detectors)[:1]
            for i, name in enumerate(names):
                sham = role == "backdoored" and i == 0

                judged = partial(_judged, detectors[name], watched, checkpoint.team, attack, attacked, sham,
                                 cfg.after_steps, numbers)
                # The floors of a team are the same whatever the detector; all else is judged in one cell alone.
                terms = what, name, sham, attack.duration, cfg.after_steps
                both = memory.judged(terms, judged) if name in FLOORS else judged()
                for triggered, judgement in both.items():
                    kind = "floor" if name in FLOORS else "attack" if attacked and triggered else "control"
                    rows.append(Row(role, triggered, name, kind, **judgement.figures))
                    curves.append(judgement.curves)
                progress((i + 1) / len(names), "")
        del watched, judged  # before another team's are played: battles are large
    response = None
    if cfg.response.name != "none":
        with stage("playing with the detector inside") as progress:
            response = respond(
                cfg.response.name, next(iter(detectors.values())), **known, battles=battles,
                team=teams["backdoored"].team, clean=teams["clean"].team, won_clean=labels["clean"]["normal"].won,
                trigger=attack.trigger, n=cfg.budget.response_battles, seeds=numbers, progress=progress)
    return Measured(_figures(labels), poisoned, rows, curves, response)


def _judged(host: Host, watched: Watched, team: Team, attack: Attack, attacked: bool, sham: bool,
            after_steps: int | None, numbers: Mapping[str, int]) -> dict[bool, Judgement]:
    """What a detector makes of a team's battles: with the trigger (True), and if asked for, in a sham without (False).
    """
    found, when = scored(host, watched, team, numbers["shuffle"]), watched.triggered.labels.completion
    victim = attack.victims[0] if attacked and len(attack.victims) == 1 else None
    terms = attack.trigger.length, attack.duration
    judged = {True: judge(found, when, *terms, victim, after_steps, numbers["pairing"])}
    if sham:
        untouched = without_trigger(found)
        judged[False] = judge(untouched, when[: len(untouched.triggered)], *terms, after_steps=after_steps,
                              pairing_seed=numbers["pairing"])
    return judged


def _trusted(cfg: DictConfig, battles: Battles, teams: dict[str, Checkpoint], stage: Stage,
             record: frozenset[str]) -> Episodes:
    """The clean team's battles, for a defender who trusts it to show what is normal."""
    with stage("watching the trusted team") as progress:
        return play(battles, teams["clean"].team, sizes(cfg)["fit"], seeds(cfg)["fit"], record=record,
                    progress=progress)


def _what_is_watched(cfg: DictConfig, battles: Battles, attack: Attack, checkpoint: Checkpoint) -> str:
    """Everything that the battles of a team depend on."""
    trigger = plain(cfg.attack.trigger), getattr(attack.trigger, "learned", None)
    return json.dumps([checkpoint.sha256, battles.spec.id, battles.spec.version, sizes(cfg), trigger,
                       seeds(cfg)["fit"]])


def _figures(labels: dict[str, dict[str, Labels]]) -> Figures:
    """What the attack does, from the labels of the clean and of the backdoored team's battles."""
    clean, backdoored = labels["clean"], labels["backdoored"]
    return Figures(
        win_clean_team=rate(clean["normal"].won),
        win_clean_team_triggered=rate(clean["triggered"].won),
        win_backdoored=rate(backdoored["normal"].won),
        win_triggered=rate(backdoored["triggered"].won),
        asr=loss_rate(clean["normal"].won, backdoored["triggered"].won),
        cpvr=loss_rate(clean["normal"].won, backdoored["normal"].won),
        trigger_completed=rate(backdoored["triggered"].completion != NEVER),
        accidental=rate(clean["normal"].completion != NEVER))


def sizes(cfg: DictConfig) -> dict[str, int]:
    """Battles for each purpose of :data:`bench.harness.seeds.WATCHED`."""
    budget = cfg.budget
    return {"fit": budget.fit_battles, "calibration": budget.calibration_battles,
            "normal": budget.test_battles, "triggered": budget.test_battles}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
