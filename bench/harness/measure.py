"""Measuring a cell's rows: each team's battles are played, and the detectors judged in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig

from bench.artifacts.episodes import write_episodes
from bench.artifacts.written import plain
from bench.contracts import Attack, Battles, Curves, Episodes, Figures, Responder, Response, Row
from bench.harness.configuration import git_sha, is_shipped, option, packages
from bench.harness.names import trigger_recipe
from bench.harness.referee import seeds
from bench.harness.remembered import Memory
from bench.harness.scores import KeptScores
from bench.harness.store import store_of
from bench.harness.teams import Checkpoint, Stage
from bench.marl.play import play
from bench.protocol.effect import Outcomes, figures, poisoned_steps
from bench.protocol.host import FittedBefore, Host, InProcess
from bench.protocol.judge import Judgement, backdoor_detection, judge_team
from bench.protocol.plan import BACKDOORED, CLEAN, FLOORS, PlannedRow, plan
from bench.protocol.response import respond
from bench.protocol.watch import Watched, needs, watch

T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """What comes of one cell."""

    figures: Figures  # of the attack
    poisoned_steps: float  # share of the steps of its retraining
    rows: list[Row]  # of the detectors
    curves: list[Curves]  # of each row
    response: Response | None  # what came of alarms on the backdoored team, if something was done about them


def measure(cfg: DictConfig, battles: Battles, attack: Attack, detectors: dict[str, Host],
            teams: dict[str, Checkpoint], response: Responder | None, stage: Stage, base: Path,
            memory: Memory | None = None, keep: bool = False) -> Measured:
    """Measure the rows that :func:`bench.protocol.plan.plan` names; one team at a time, for its battles are large.

    Parameters
    ----------
    detectors : the cell's own first, then the baseline detectors.
    teams : by what :func:`bench.protocol.plan.plan` calls them.
    response : what is done about alarms in the backdoored team's battles, if anything.
    keep : scores of the other teams' battles without the trigger, for cells of other attacks.
    base : where the cell's files go, without their endings.
    """
    cell = _Measuring(cfg, battles, attack, detectors, teams, stage, Memory(teams=1) if memory is None else memory,
                      seeds(cfg), needs(detectors.values()), git_sha() if keep else None)
    trusted = cell.trusted() if cfg.defender == "trusted" else None
    judged: list[tuple[PlannedRow, Judgement]] = []
    beside: dict[str, Judgement] = {}  # what each detector makes of the clean team under the trigger
    outcomes: dict[str, Outcomes] = {}
    learned_from: dict[str, Episodes] = {}  # with a response: before the backdoored team is used
    poisoned = 0.0
    for team, planned in groupby(plan(list(teams), list(detectors), attack.poisons), key=lambda row: row.team):
        watched = cell.watched(team)
        if trusted is not None:
            watched = replace(watched, fit=trusted)
        outcomes[team] = Outcomes(watched.normal.labels, watched.triggered.labels)
        if team == BACKDOORED:
            poisoned = poisoned_steps(attack, watched)
            if response is not None:
                learned_from = {"fit": watched.fit, "calibration": watched.calibration}
            if cfg.keep_episodes:
                write_episodes(base, normal=watched.normal, triggered=watched.triggered)
        judged += cell.judged(team, list(planned), watched)
        if team == CLEAN:
            beside = cell.beside([(row, judgement) for row, judgement in judged if row.team == CLEAN], watched)
        del watched  # before another team's are played: battles are large
    found = None if response is None else cell.responded(response, outcomes[CLEAN], **learned_from)
    return Measured(figures(outcomes[CLEAN], outcomes[BACKDOORED]), poisoned,
                    [cell.row(planned, judgement, beside) for planned, judgement in judged],
                    [judgement.curves for _, judgement in judged], found)


@dataclass(frozen=True)
class _Measuring:
    """What all teams of a cell are measured with."""

    cfg: DictConfig
    battles: Battles
    attack: Attack
    detectors: Mapping[str, Host]
    teams: Mapping[str, Checkpoint]
    stage: Stage
    memory: Memory
    seeds: Mapping[str, int]
    record: frozenset[str]  # the columns that the detectors need
    revision: str | None  # of the code, if scores may be kept

    def trusted(self) -> Episodes:
        """The clean team's battles, for a defender who trusts it to show what is normal."""
        with self.stage("watching the trusted team") as progress:
            return play(self.battles, self.teams["clean"].team, sizes(self.cfg)["fit"], self.seeds["fit"],
                        record=self.record, progress=progress)

    def watched(self, team: str) -> Watched:
        """A team's battles, played now or remembered."""
        with self.stage(f"watching the {team} team") as progress:
            return self.memory.watched(self._what_is_watched(team), self.record, partial(
                watch, self.battles, self.teams[team].team, self.attack.trigger, sizes(self.cfg), self.seeds,
                progress))

    def judged(self, team: str, planned: Sequence[PlannedRow], watched: Watched) -> list[tuple[PlannedRow, Judgement]]:
        """The planned rows of a team, and what their detectors make of its battles."""
        found: list[tuple[PlannedRow, Judgement]] = []
        with self.stage(f"judging the detector on the {team} team") as progress:
            for detector, group in groupby(planned, key=lambda row: row.detector):
                rows = list(group)
                control = not all(row.triggered for row in rows)
                judgements = self._judged(team, detector, control, watched)
                found += [(row, judgements[row.triggered]) for row in rows]
                progress(len(found) / len(planned), "")
        return found

    def beside(self, judged: Sequence[tuple[PlannedRow, Judgement]], watched: Watched) -> dict[str, Judgement]:
        """What every detector makes of the clean team under the trigger: what is ``judged`` already, and what the
        baseline detectors do, which have no rows there."""
        found = {row.detector: judgement for row, judgement in judged}
        return {name: found.get(name) or self._judged(CLEAN, name, False, watched)[True] for name in self.detectors}

    def row(self, planned: PlannedRow, judgement: Judgement, beside: Mapping[str, Judgement]) -> Row:
        """A row, with backdoor detection if it is of a team that was shown the trigger and is not the clean one."""
        found = None
        if planned.triggered and planned.team != CLEAN:
            teams = self._what_is_watched(CLEAN), self._what_is_watched(planned.team)
            found = self._once(planned.detector, ("against", *teams), partial(
                backdoor_detection, beside[planned.detector], judgement))
        return Row(planned.team, planned.triggered, planned.detector, planned.kind, **judgement.figures, backdoor=found)

    def _once(self, detector: str, terms: tuple[Any, ...], make: Callable[[], T]) -> T:
        """What ``make`` gives. Of the floors it is the same for a team whatever the cell's detector, and remembered;
        all else is made in one cell alone."""
        terms = detector, self.attack.duration, self.cfg.after_steps, *terms
        return self.memory.once(terms, make) if detector in FLOORS else make()

    def _judged(self, team: str, detector: str, control: bool, watched: Watched) -> dict[bool, Judgement]:
        def judge() -> dict[bool, Judgement]:
            host, kept = self.detectors[detector], None if team == BACKDOORED else self._kept(team, detector)
            if kept is not None and isinstance(host, InProcess):  # what it learns from is the same under other triggers
                host = FittedBefore(host, self.memory.once(kept.path, partial(
                    host.fit, watched.fit, self.teams[team].team)))
            return judge_team(host, watched, self.teams[team].team, self.attack,
                              team == BACKDOORED and self.attack.poisons, control, self.cfg.after_steps, self.seeds,
                              kept)

        return self._once(detector, (self._what_is_watched(team), control), judge)

    def _kept(self, team: str, detector: str) -> KeptScores | None:
        """Where the detector's scores of the team's battles without the trigger are kept, if they may be: those of a
        shipped detector by committed code."""
        node = plain(self.cfg.detector if detector not in FLOORS else option("detector", detector))
        if not self.revision or self.revision.endswith("-dirty") or not is_shipped(node):
            return None
        return KeptScores(Path(self.cfg.out) / "scores", [
            self.revision, packages(), node, self.cfg.defender, self.teams["clean"].sha256, self.teams[team].sha256,
            self.battles.spec.id, self.battles.spec.version, sizes(self.cfg), dict(self.seeds)],
            store_of(self.cfg))

    def responded(self, response: Responder, clean: Outcomes, fit: Episodes, calibration: Episodes) -> Response:
        """What comes of the cell's detector inside the backdoored team's battles."""
        with self.stage("playing with the detector inside") as progress:
            return respond(
                response, next(iter(self.detectors.values())), fit, calibration, self.battles,
                team=self.teams[BACKDOORED].team, clean=self.teams["clean"].team, won_clean=clean.normal.won,
                trigger=self.attack.trigger, seeds=self.seeds, progress=progress)

    def _what_is_watched(self, team: str) -> str:
        """Everything that the battles of a team depend on."""
        trigger = trigger_recipe(plain(self.cfg.attack)), getattr(self.attack.trigger, "learned", None)
        return json.dumps([self.teams[team].sha256, self.battles.spec.id, self.battles.spec.version, sizes(self.cfg),
                           trigger, self.seeds["fit"]])


def sizes(cfg: DictConfig) -> dict[str, int]:
    """Battles for each purpose of :data:`bench.protocol.seeds.WATCHED`."""
    budget = cfg.budget
    return {"fit": budget.fit_battles, "calibration": budget.calibration_battles,
            "normal": budget.test_battles, "triggered": budget.test_battles}
