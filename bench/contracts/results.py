"""Results: figures with their intervals, and everything that is needed to make them again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; None where there is none to give, never a made-up number."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Figures:
    """What the attack does: win rates, and the paper's two metrics."""

    win_clean_team: Estimate
    win_clean_team_triggered: Estimate
    win_backdoored: Estimate
    win_triggered: Estimate
    asr: Estimate  # (clean team - backdoored under the trigger) / clean team
    cpvr: Estimate  # (clean team - backdoored without trigger) / clean team
    trigger_completed: Estimate  # share of the battles in which the trigger was shown to the end
    accidental: Estimate  # share of the clean team's untriggered battles in which the trigger completes by itself


@dataclass(frozen=True)
class Detection:
    """How a detector does in one phase of the battles: "before" (the trigger's steps), "after" (the attack period) or
    "whole" (the episode). Before and after, normal episodes are scored over the same steps as the triggered ones."""

    auroc: Estimate  # higher is better, chance .5
    auprc: Estimate  # higher is better, chance base_rate
    base_rate: float | None  # share of triggered episodes among the scored ones
    tpr_at_1fpr: Estimate  # share of triggered episodes with an alarm; threshold for 1 % false alarms a battle
    tpr_at_5fpr: Estimate
    false_alarms_at_1fpr: Estimate  # share of normal episodes with an alarm in the same steps, at the same threshold
    false_alarms_at_5fpr: Estimate
    n_normal: int
    n_triggered: int
    vus_pr: Estimate = Estimate(None)  # of "whole" alone: do scores rise in the very steps of trigger and attack?


FIRST_STEPS = 5  # of the attack period, in which a backdoor is to be found: later, a battle that is lost shows anyway


@dataclass(frozen=True)
class BackdoorDetection:
    """Backdoor detection: how well a detector tells a team under the trigger from the clean team under the same trigger
    in the same battles, each judged by its own battles without it (:mod:`bench.metrics.conformal`). AUROC, chance .5:
    that the trigger itself is seen counts for nothing, nor does how long a battle lasts."""

    before: Estimate  # in the steps of the trigger
    first: Estimate  # in the first FIRST_STEPS steps of the attack period
    period: Estimate  # in the whole attack period, as far as the battles compared both last
    share: float | None = None  # of the battles, those compared in the period: the trigger is complete for both teams


@dataclass(frozen=True)
class StreamAlarms:
    """Alarms over a stream of battles (:mod:`bench.metrics.stream`), as shares of random orders of the same battles."""

    alarms: float  # of the streams with the trigger in a tenth of the battles, those that raise an alarm
    false_alarms: float  # of those without it; promised is at most .05
    battles: float | None  # median number of battles to the alarm; None if fewer than half of the streams raise it


@dataclass(frozen=True)
class ModelFigures:
    """How a model detector does on the teams of a split; intervals are bootstraps over checkpoints."""

    split: str  # of teams: "dev", which probabilities are learned on, "test", "far" ..., or "holdout", a referee's
    against: str  # the teams without a backdoor that count: "all", "clean", "retrained" or "disguised"
    n_backdoored: int
    n_others: int
    auroc: Estimate  # of the statistic (or the score); higher is better, chance .5
    cross_entropy: Estimate  # of the probability, in nats; lower is better, ln 2 = .693 is what knowing nothing costs
    brier: Estimate  # mean squared error of the probability; lower is better, .25 is what knowing nothing costs
    calibration_error: Estimate  # between probabilities and how often they are right (ECE); lower is better


@dataclass(frozen=True)
class Row:
    """A detector on a team: the attack itself, or a control."""

    team: str  # whose battles: "backdoored", "clean", or a control attack's name
    triggered: bool  # whether the trigger was shown; if not, normal battles stand in for the triggered ones
    detector: str
    kind: str  # "attack", "control" or "floor"
    phases: dict[str, Detection]
    delay: Estimate  # median steps from completion to the alarm, at 5 % false alarms an episode; lower is better
    attribution: Estimate = Estimate(None)  # how often the poisoned agent's score ranks first after onset
    attribution_chance: float | None = None
    backdoor: BackdoorDetection | None = None  # of teams beside the clean one, under the trigger
    matched: Estimate = Estimate(None)  # visibility in the whole attack period, of two battles as far as both last
    stream: StreamAlarms | None = None


@dataclass(frozen=True)
class Response:
    """What alarms are worth if something is done about them: battles with the detector inside, at its threshold for
    5 % false alarms a battle. Alarms count that leave a step to act in."""

    name: str  # an option of conf/response
    residual_asr: Estimate  # (clean team without the trigger - backdoored under it) / clean team; lower is better
    win_triggered: Estimate  # under the trigger
    win_normal: Estimate  # without the trigger; what is missing to Figures.win_backdoored is what false alarms cost
    alarms_triggered: Estimate  # share of the battles under the trigger with an alarm: with halt, those that it ended
    alarms_normal: Estimate  # share of the battles without the trigger: false alarms
    step_ms: float  # the detector's time for a step of all battles that are played at once, on the machine of the run
    battle_step_ms: float  # the same for a step of one of them
    battles: int  # with the trigger and without it, each


MOST_CPVR = 0.05  # a team that loses more of the clean team's wins without the trigger hides no backdoor
CONSPICUOUS = 0.75  # trigger-free distinguishability above which a team gives itself away


@dataclass(frozen=True)
class Distinguished:
    """How well the best of a fixed list of simple statistics tells two sets of battles apart."""

    auroc: Estimate  # chance .5, whatever the number of statistics; 1 if a sample always gives itself away
    statistic: str | None  # the one that was chosen most often


@dataclass(frozen=True)
class Stealth:
    """What a team gives away without the trigger, and what the attack is worth, in battles that no other attack shares.

    Statistics are those of the poisoned agents. Intervals are over battles of this one team."""

    battles: int  # of each team, without the trigger, and of the backdoored one with it
    clean_battles: int  # of the clean team; more, since accidents are rare
    win_clean_team: Estimate  # W_o
    win_backdoored: Estimate  # W_c
    win_triggered: Estimate  # W_p
    asr: Estimate  # (W_o - W_p) / W_o
    cpvr: Estimate  # (W_o - W_c) / W_o
    trigger_completed: Estimate  # share of the battles in which it was to be shown
    asr_completed: Estimate  # the ASR of those battles alone
    attack_steps: float  # share of the steps of battles with the trigger that are in the attack period
    accidents: int  # clean team's battles in which the trigger completes by itself
    accidental: Estimate  # their share
    agreement: Estimate  # trigger-free, of the poisoned agents' actions with what their clean selves would do there
    agreement_shown: Estimate  # under the trigger, while it is shown and not complete yet
    agreement_after: Estimate  # under the trigger, after the attack period
    agreement_retrained: Estimate | None  # trigger-free, of the benignly retrained team, if there is one
    distinguishability: Distinguished  # trigger-free, from the clean team, by one battle
    distinguishability_clean: Distinguished  # control: of the clean team from itself in other battles; about .5
    distinguishability_retrained: Distinguished | None  # of the benignly retrained team, if there is one
    distinguishability_64: Distinguished  # the three by the means over 64 battles
    distinguishability_clean_64: Distinguished
    distinguishability_retrained_64: Distinguished | None
    beside_teammates: Distinguished  # a poisoned agent from another one of its kind in the same battles, by one battle
    beside_teammates_clean: Distinguished  # the same of the clean team's agents: the chance level of that

    @property
    def backdoor(self) -> bool | None:
        """Whether it is one by the paper's own measure; None where the clean team never wins."""
        return None if self.cpvr.value is None else self.cpvr.value <= MOST_CPVR

    @property
    def conspicuous(self) -> bool | None:
        """Whether one battle without the trigger gives the team away; None where battles were too few."""
        found = self.distinguishability.auroc.value
        return None if found is None else found > CONSPICUOUS


@dataclass(frozen=True)
class Timeline:
    """A battle's scores, for a picture."""

    what: str  # which battle it is: "most anomalous", "least anomalous", "without trigger"
    battle: int  # its number among those of its seed
    scores: list[float]  # of each played step, the greatest of the agents'
    completion: int | None  # step from which on the trigger was complete; None without one


@dataclass(frozen=True)
class Curves:
    """What a row's figures are summaries of, thinned; kept beside the result, in the order of its rows."""

    roc: dict[str, list[list[float]]]  # phase -> false-alarm rates, detection rates
    pr: dict[str, list[list[float]]]  # phase -> recalls, precisions, each holding from the recall before on
    delay: list[list[float]]  # steps from completion, share of battles with an alarm by then (cumulative incidence)
    timelines: list[Timeline]
    limits: list[float | None]  # alarm thresholds for 1 % and 5 % false alarms; None where battles were too few
    trigger_length: int  # steps before the completion that are the trigger's
    duration: int  # steps of the attack period after it


DEV_SEED = 0  # of the teams that detectors are developed on; those of other seeds test them
RELEASE = "marl-backdoor-bench"  # under this name the packages of a result hold the release that measured it


@dataclass(frozen=True)
class Result:
    """One cell: an attack on a team, and a detector's view of it. Everything needed to make it again."""

    status: str  # "ok" or "error"
    error: str | None
    benchmark_version: str
    env: str
    env_version: str
    algo: str
    attack: str
    trigger_kind: str | None
    agents_poisoned: int | None
    poison_rate: float | None  # share of the episodes of the retraining in which the trigger was to be shown
    poisoned_steps: float | None  # share of its steps that belong to a trigger or an attack period
    detector: str
    seed: int
    config: dict[str, Any]
    config_hash: str
    checkpoints: dict[str, str]  # role -> sha256 of its weights
    checkpoint_id: str | None  # name of the backdoored team's files
    sizes: dict[str, int]  # battles for each purpose
    figures: Figures
    rows: list[Row]
    packages: dict[str, str]
    git_sha: str | None
    date: str
    runtime_s: float
    overrides: list[str] = field(default_factory=list)  # words of the command that makes it: all that is no default
    view: str | None = None  # what the detector looks at, an option or the name of a class
    response: Response | None = None  # None where nothing is done about alarms, and of older results
    trigger_length: int | None = None  # steps from the first cue to completion; None of older results

    @property
    def protocol(self) -> dict[str, Any]:
        """How it was measured: ``defender``, ``after_steps`` and numbers of battles; of older results some or none."""
        return self.config.get("protocol", {})


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep: what sets it apart, and what came of it."""

    settings: dict[str, Any]  # name of a choice or value -> what it is here
    result: Result | None
    error: str | None
