"""The rules of an attacker who adapts to a detector: what is lowered, what has to be kept, and what is watched for.

An attacker holds the team, the detector and battles of his own. He wants a trigger that the detector does not see, and
that still costs the team its wins, costs it none without the trigger, and does not come up by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.contracts import NEVER, Cue, EnvSpec, Episodes, Estimate, Step, Trigger
from bench.metrics.attack import loss_rate, rate
from bench.protocol.judge import Judgement

PHASES = ("before", "after", "whole")
OBJECTIVES = (*PHASES, "worst")  # the AUROC that is lowered: that of a phase, or the greater of before and after onset
# Battles of a search: nobody is judged in them. The finals' are others than the screening's, for who was lucky there.
SEARCHED = {"fit": 5_000_011, "calibration": 5_000_023, "normal": 5_000_047, "screening": 5_000_059,
            "finals": 5_000_077, "pairing": 5_000_081, "shuffle": 5_000_087}


@dataclass(frozen=True)
class Trial:
    """What an attack did to a team and its detector made of it, in some battles."""

    asr: Estimate  # against the clean team without the trigger
    cpvr: Estimate  # of a puppet that is its clean self without the trigger: 0
    completed: Estimate  # share of the battles in which the trigger was shown to the end
    before: Estimate  # the detector's AUROC; chance .5, and higher is the defender's
    after: Estimate
    whole: Estimate

    def objective(self, name: str) -> float:
        """What is to be low, infinite where it is not known."""
        values = [getattr(self, phase).value for phase in (("before", "after") if name == "worst" else (name,))]
        return np.inf if None in values else max(values)


@dataclass(frozen=True)
class Bounds:
    """What an attack has to keep."""

    min_asr: float
    max_cpvr: float
    max_accidents: float

    def hold(self, trial: Trial, accidents: float) -> bool:
        """Whether an attack keeps them; ``accidents`` is the share of clean battles in which its trigger comes up."""
        asr, cpvr = trial.asr.value, trial.cpvr.value
        return asr is not None and cpvr is not None and asr >= self.min_asr and cpvr <= self.max_cpvr \
            and accidents <= self.max_accidents


def tried(won_clean: np.ndarray, normal: Episodes, triggered: Episodes, judgement: Judgement) -> Trial:
    """A trial, from battles that the clean team has won (battle,) bool, and those of the attacked one."""
    return Trial(loss_rate(won_clean, triggered.labels.won), loss_rate(won_clean, normal.labels.won),
                 rate(triggered.labels.completion != NEVER),
                 **{phase: judgement.phases[phase].auroc for phase in PHASES})


def best(trials: Sequence[Trial], accidents: Sequence[float], bounds: Bounds, objective: str,
         n: int) -> list[int]:
    """The numbers of the ``n`` trials that are the lowest of those that keep the bounds, the lowest first. Of equals,
    those of greater ASR come first."""
    allowed = [k for k, one in enumerate(trials) if bounds.hold(one, accidents[k])
               and np.isfinite(one.objective(objective))]
    return sorted(allowed, key=lambda k: (trials[k].objective(objective), -(trials[k].asr.value or 0.0)))[:n]


class Lookout:
    """A trigger that is never shown: watches for many at once, and counts the battles in which each comes up by itself.
    """

    means = "none"
    lasting = False
    length = 1

    def __init__(self, triggers: Sequence[Trigger]) -> None:
        self.triggers = list(triggers)

    @property
    def counts(self) -> np.ndarray:
        """(trigger,) in how many battles each was complete so far."""
        return self._counts + self._occurred.sum(1)

    def start(self, spec: EnvSpec, n: int) -> None:
        for trigger in self.triggers:
            trigger.start(spec, n)
        self._counts = np.zeros(len(self.triggers), int)
        self._occurred = np.zeros((len(self.triggers), n), bool)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        self._counts += self._occurred[:, fresh].sum(1)
        self._occurred[:, fresh] = False
        nowhere = np.zeros(len(show), bool)
        for seen, trigger in zip(self._occurred, self.triggers, strict=True):
            seen |= trigger.cue(step, fresh, nowhere).completed & ~step.done
        return Cue(np.full((len(show), step.outsider_actions.shape[1]), -1), step.observation, nowhere, nowhere)
