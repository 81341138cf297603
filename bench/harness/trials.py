"""How a candidate of a search is tried: acted out by a puppet in the clean team, or injected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from omegaconf import DictConfig

from bench.contracts import Attack, Battles, Episodes
from bench.errors import BenchError
from bench.harness.candidates import Candidate, changed
from bench.harness.teams import Checkpoint, Say, Stage, backdoored_team
from bench.marl.onlookers import Probe
from bench.marl.play import play
from bench.protocol.adapt import Trial, tried
from bench.protocol.host import Fitted, Host
from bench.protocol.judge import Scored, judge, scored
from bench.protocol.scoring import score_all
from bench.protocol.watch import Watched, needs, watch


@dataclass(frozen=True)
class Scene:
    """What all candidates are tried with."""

    cfg: DictConfig
    battles: Battles
    clean: Checkpoint
    host: Host
    seeds: Mapping[str, int]  # of the battles, by what they are for
    sizes: Mapping[str, int]  # how many for each of "fit", "calibration" and "normal"
    stage: Stage

    @cached_property
    def won_clean(self) -> np.ndarray:
        """(battle,) bool, what the clean team wins without the trigger."""
        with self.stage("watching the clean team") as progress:
            return play(self.battles, self.clean.team, self.sizes["normal"], self.seeds["normal"],
                        progress=progress).labels.won

    def require_wins(self) -> None:
        """Raise BenchError if that is nothing."""
        if not self.won_clean.any():
            raise BenchError(f"{self.clean.name} wins none of {len(self.won_clean)} battles: there is nothing that an "
                             "attack could take from it")

    def trial(self, found: Scored, attack: Attack) -> Trial:
        """What was found of an attacked team's battles, as a trial."""
        triggered = found.watched.triggered
        judgement = judge(found, triggered.labels.completion, attack.trigger.length, attack.duration,
                          after_steps=self.cfg.after_steps, pairing_seed=self.seeds["pairing"])
        return tried(self.won_clean, found.watched.normal, triggered, judgement)


class ByPuppet:
    """A puppet acts in the poisoned agents' place once the trigger is complete, as if the backdoor had been learned to
    perfection. Without the trigger all candidates are the same team, which the detector is fitted to once.

    To be used in a ``with``, and not after it.
    """

    def __init__(self, scene: Scene, probe: Callable[[], Probe]) -> None:
        self.scene, self._make, self._held = scene, probe, ExitStack()

    def __enter__(self) -> ByPuppet:
        return self

    def __exit__(self, *error: object) -> None:
        self._held.close()

    def prepare(self) -> None:
        """Play what all candidates share, and fit the detector to it. Raises BenchError for a team that never wins."""
        self.scene.require_wins()
        _ = self._scores

    def __call__(self, candidate: Candidate, n: int, purpose: str) -> Trial:
        """A candidate in ``n`` battles of the seed for a purpose, with the trigger."""
        scene, attack = self.scene, candidate.attack
        triggered = play(scene.battles, scene.clean.team, n, scene.seeds[purpose], trigger=attack.trigger,
                         poisoned=True, probe=self._probe)
        (scores,) = score_all(self._fitted, [triggered], scene.seeds["shuffle"])
        normal, calibration = self._scores
        watched = Watched(self._played["fit"], self._played["calibration"], self._played["normal"], triggered)
        return scene.trial(Scored(watched, calibration, normal, scores), attack)

    @cached_property
    def _probe(self) -> Probe:
        return self._make()

    @cached_property
    def _played(self) -> dict[str, Episodes]:
        """Battles of the puppet's team without the trigger; those to be fitted to are a trusted defender's own."""
        scene, found, probe = self.scene, {}, self._probe
        for name in ("fit", "calibration", "normal"):
            with scene.stage(f"watching the puppet's team: {name}") as progress:
                alone = name == "fit" and scene.cfg.defender == "trusted"
                found[name] = play(scene.battles, scene.clean.team, scene.sizes[name], scene.seeds[name],
                                   probe=None if alone else probe, progress=progress)
        return found

    @cached_property
    def _fitted(self) -> Fitted:
        episodes = self._played["fit"]
        with self.scene.stage("fitting the detector") as progress:
            fitted = self._held.enter_context(self.scene.host.fit(episodes, self.scene.clean.team))
            progress(1.0, "")
        return fitted

    @cached_property
    def _scores(self) -> list[np.ndarray]:
        parts = [self._played["normal"], self._played["calibration"]]
        return score_all(self._fitted, parts, self.scene.seeds["shuffle"])


class ByInjection:
    """Every candidate is injected, and its own team watched: slow, and the only way where a detector looks into the
    network."""

    def __init__(self, scene: Scene, say: Say) -> None:
        self.scene, self._say = scene, say

    def __call__(self, candidate: Candidate, n: int, purpose: str) -> Trial:
        """A candidate in ``n`` battles of the seed for a purpose, with the trigger."""
        scene, attack = self.scene, candidate.attack
        scene.require_wins()  # before anything is injected
        self._say(f"trying {' '.join(candidate.overrides) or 'the attack as it is configured'}")
        team = backdoored_team(scene.cfg, changed(scene.cfg.attack, candidate.changes), scene.battles, scene.stage,
                               self._say).team
        record = needs([scene.host])
        seeds = {**scene.seeds, "triggered": scene.seeds[purpose]}
        with scene.stage("watching its team") as progress:
            watched = watch(scene.battles, team, attack.trigger, {**scene.sizes, "triggered": n}, seeds, progress,
                            record)
        if scene.cfg.defender == "trusted":
            watched = replace(watched, fit=play(scene.battles, scene.clean.team, scene.sizes["fit"],
                                                scene.seeds["fit"], record=record))
        with scene.stage("judging the detector") as progress:
            found = scored(scene.host, watched, team, scene.seeds["shuffle"])
            progress(1.0, "")
        return scene.trial(found, attack)
