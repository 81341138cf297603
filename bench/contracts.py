"""The nouns of the benchmark: what a battle, a team, an episode, a trigger, an attack, a detector and a result are.

All of ``bench``, ``attacks`` and ``detectors``, and whatever is written outside this repository, meets here.
Arrays are numpy. Shapes are written (battle, ...) while battles run and (episode, step, ...) once they are recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np

from bench.errors import DetectorError


@dataclass(frozen=True)
class EnvSpec:
    """What is fixed about an environment.

    ``id`` names simulator, map and opponent ("smax/8m/random"); ``version`` changes whenever the same actions may
    lead to other battles. ``sight_range`` (of the agents' usual unit types) and ``map_size`` are in map units.
    """

    id: str
    version: str
    n_agents: int
    n_enemies: int
    observation_size: int
    state_size: int
    n_actions: int
    episode_limit: int
    sight_range: tuple[float, ...]
    map_size: tuple[float, float]


@dataclass(frozen=True)
class Step:
    """All battles after a reset or a step. ``units`` counts agents first, then enemies.

    A battle whose ``done`` is true stands still and earns no reward until it is replaced.
    """

    observation: np.ndarray  # (battle, agent, feature) float32, about [-1, 1]
    state: np.ndarray  # (battle, feature) float32 in [0, 1]: the whole battle, for the mixer in training alone
    available: np.ndarray  # (battle, agent, action) bool
    reward: np.ndarray  # (battle,) of the team, SMAC's scale: a perfect win returns 20
    done: np.ndarray  # (battle,) bool
    won: np.ndarray  # (battle,) bool; a draw or a timeout is no win
    alive: np.ndarray  # (battle, unit) bool
    position: np.ndarray  # (battle, unit, 2) map units; x grows to the east, y to the north
    health: np.ndarray  # (battle, unit) in [0, 1]
    sight: np.ndarray  # (battle, agent) how far each agent sees, in map units
    enemy_actions: np.ndarray  # (battle, enemy) int, what each enemy did in the last step; -1 before the first


class Battles(Protocol):
    """A batch of battles stepped together. A battle is named by (seed, number), whatever batch it is played in."""

    spec: EnvSpec

    def reset(self, seed: int, battles: np.ndarray) -> Step:
        """Begin the battles with these numbers, one a slot."""
        ...

    def step(self, actions: np.ndarray, enemy_orders: np.ndarray | None = None) -> Step:
        """Play one step: ``actions`` (battle, agent); ``enemy_orders`` (battle, enemy), -1 leaves a unit alone."""
        ...

    def replace(self, slots: np.ndarray, battles: np.ndarray) -> Step:
        """Begin other battles in some slots; cheapest when their numbers follow one another."""
        ...

    def snapshot(self) -> Any:
        """The exact state of all battles, for :meth:`restore`."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Go back: the same actions from here lead to the same battles."""
        ...


NOBODY, NEVER = -1, -1
MOVES = {"north": 0, "east": 1, "south": 2, "west": 3, "stop": 4}


@dataclass(frozen=True)
class Labels:
    """What an attacker knows of recorded episodes and a detector must not."""

    battle: np.ndarray  # (episode,) number of the battle
    won: np.ndarray  # (episode,) bool
    poisoned: np.ndarray  # (episode,) bool: the attacker tried to show the trigger
    trigger: np.ndarray  # (episode, step) bool: a step of a trigger under way
    completion: np.ndarray  # (episode,) first step whose observation shows the complete trigger, or NEVER
    state: np.ndarray | None = None  # (episode, step, feature), recorded for learners alone
    probe: np.ndarray | None = None  # (episode, step), recorded for learners alone
    edited: np.ndarray | None = None  # (episode, step, agent) bool: the observation was tampered with
    position: np.ndarray | None = None  # (episode, step, unit, 2) map units, recorded for pictures, as are the next two
    health: np.ndarray | None = None  # (episode, step, unit) in [0, 1]; 0 is dead
    orders: np.ndarray | None = None  # (episode, step, enemy) the trigger's orders, -1 where it gives none
    alarm: np.ndarray | None = None  # (episode,) step of the alarm raised while the battle went on, or NEVER

    def attack(self, duration: int) -> np.ndarray:
        """(episode, step) bool: the attack period, ``duration`` steps from the completion of the trigger."""
        step = np.arange(self.trigger.shape[1])
        start = self.completion[:, None]
        return (start != NEVER) & (step >= start) & (step < start + duration)


@dataclass(frozen=True)
class Episodes:
    """Recorded battles, padded to the longest; ``mask`` says which steps were played.

    ``hidden`` and ``q`` are recorded for those who need them. Observations are kept as float16 (their unit is about 1).
    """

    observation: np.ndarray  # (episode, step, agent, feature) float16
    available: np.ndarray  # (episode, step, agent, action) bool
    action: np.ndarray  # (episode, step, agent) uint8
    reward: np.ndarray  # (episode, step) float32
    alive: np.ndarray  # (episode, step, agent) bool, before the action
    mask: np.ndarray  # (episode, step) bool
    hidden: np.ndarray | None = None  # (episode, step, agent, unit) float16, after the observation
    q: np.ndarray | None = None  # (episode, step, agent, action) float32
    hidden_labels: Labels | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.mask)

    @property
    def length(self) -> np.ndarray:
        """(episode,) number of steps played."""
        return self.mask.sum(1)

    @property
    def labels(self) -> Labels:
        """The labels. Raises DetectorError on public episodes: a detector has no business here."""
        if self.hidden_labels is None:
            raise DetectorError("a detector asked for the labels of an episode; detectors see public episodes only")
        return self.hidden_labels

    def public(self) -> Episodes:
        """The same episodes without their labels, read-only: what a detector is given."""
        columns = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                value = value.view()
                value.flags.writeable = False
            columns[f.name] = value
        return Episodes(**{**columns, "hidden_labels": None})

    def __getitem__(self, index: Any) -> Episodes:
        """Some of the episodes, by slice, indices or mask."""
        return replace(self, **{name: value[index] for name, value in _columns(self)},
                       hidden_labels=None if self.hidden_labels is None else replace(
                           self.hidden_labels, **{n: v[index] for n, v in _columns(self.hidden_labels)}))


def _columns(record: Any) -> list[tuple[str, np.ndarray]]:
    """The (name, array) pairs of a record of arrays."""
    pairs = ((f.name, getattr(record, f.name)) for f in fields(record))
    return [(name, value) for name, value in pairs if isinstance(value, np.ndarray)]


@dataclass(frozen=True)
class Cue:
    """What a trigger does in one step, for all battles."""

    orders: np.ndarray  # (battle, enemy) int, -1 where the unit is left alone
    observation: np.ndarray  # (battle, agent, feature), edited or as it came
    showing: np.ndarray  # (battle,) bool: a step of the trigger is under way
    completed: np.ndarray  # (battle,) bool: with this observation the trigger is complete
    edited: np.ndarray | None = None  # (battle, agent) bool: whose observations were tampered with, if any can be


class Trigger(Protocol):
    """Asked once a step, for all battles at once; shows itself where it may, and watches everywhere.

    A trigger that has to be learned has ``learn(harm, progress)``, called before a backdoor is injected with a measure
    of how much harm a trigger does, and ``learned``, plain values that the checkpoint keeps and that are set again.
    """

    means: str  # "behaviour" (an enemy unit only plays) or "observation" (a sensor is tampered with)
    length: int  # steps from the first cue to completion
    lasting: bool  # shown on after its completion

    def start(self, spec: EnvSpec, n: int) -> None:
        """Forget everything and watch ``n`` battles. Raises BenchError if the trigger does not fit the environment."""
        ...

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        """The next step of every battle: ``fresh`` (battle,) has just begun; the trigger is shown where ``show``."""
        ...


Progress = Callable[[float, str], None]  # share of the work done in [0, 1], and a few words on how it goes


class Store(Protocol):
    """Where a long run writes itself down now and then, so that it can go on after a kill."""

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The tensors and plain values written last, or None at a fresh start."""
        ...

    def save(self, tensors: dict[str, Any], values: dict[str, Any], team: Any) -> None:
        """Write the run down, and the team as it is now."""
        ...


class Attack(Protocol):
    """Turns a clean team into a backdoored one, and says how the backdoor is woken."""

    name: str
    trigger: Trigger
    duration: int  # steps of the attack period
    poison_rate: float  # share of the poisoned episodes in the retraining

    @property
    def changes_team(self) -> bool:
        """False for a control that leaves the clean team as it is."""
        ...

    @property
    def victims(self) -> tuple[int, ...]:
        """The poisoned agents."""
        ...

    @property
    def poisons(self) -> bool:
        """False for a control that leaves no backdoor behind."""
        ...

    def inject(self, team: Any, battles: Battles, seed: int, store: Store,
               progress: Progress) -> tuple[Any, list[dict[str, float]]]:
        """The backdoored team, and the curve of its making (one row an evaluation)."""
        ...


RECORDABLE = ("hidden", "q")
NEEDS = (*RECORDABLE, "policy")  # what a detector can ask for


class Policy(Protocol):
    """The delivered team's networks, that a detector may ask what the agents would do."""

    def __call__(self, observation: np.ndarray, last_action: np.ndarray,
                 hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Q values (n, agent, action) and the next hidden state (n, agent, unit), float.

        Asked with the observation (n, agent, feature), the last action (n, agent), -1 at the beginning of a battle, and
        the hidden state (n, agent, unit) of the step before, zeros at the beginning. What an agent answers depends on
        its own inputs alone; it may choose unavailable actions, so mask them with :attr:`Episodes.available`.
        """
        ...


DEFENDERS = ("suspect", "trusted")  # whose battles ``fit`` sees: the delivered team's, or those of a known clean one


class Detector(Protocol):
    """An anomaly detector over episodes. Higher scores are more anomalous.

    ``score`` is causal: the score at a step depends on that step and earlier ones alone. It returns
    (episode, step) or (episode, step, agent); steps that were not played may hold anything but must be finite.

    A detector may also have ``needs``, a tuple of the :data:`RECORDABLE` columns of :class:`Episodes` that it looks at;
    the others may be None. One that names "policy" there, too, is fitted by ``fit(episodes, policy=policy)``, with the
    :class:`Policy` of the team whose battles it is to judge.
    """

    def fit(self, episodes: Episodes) -> Detector:
        """Learn what is normal from battles without the trigger, of the delivered team or of a clean one; returns self.
        """
        ...

    def score(self, episodes: Episodes) -> np.ndarray:
        """Anomaly scores."""
        ...


SHOWN = ("episodes", *RECORDABLE)


class ModelDetector(Protocol):
    """Judges a delivered team before it is used: how probable is it that the team is backdoored?

    ``team`` is a :class:`bench.marl.team.Team`, ``battles`` the simulator that it was made for, and ``episodes`` are
    public ones of that team in which nobody shows a trigger. A detector may have ``needs``, those of :data:`SHOWN` that
    it looks at, by default ("episodes",): ``episodes`` is None for one that looks at no episode, and holds the hidden
    states and Q values for who names "hidden" and "q".

    One that learns from labelled models has ``fit(teams, labels)``, called before the first score with the shipped
    teams of the dev split and their labels (team,) bool, true for the backdoored ones. No other label reaches it.
    """

    def score(self, team: Any, battles: Battles, episodes: Episodes | None) -> float:
        """The probability in [0, 1] that the team is backdoored."""
        ...


class ModelStatistic(Protocol):
    """A model detector that knows of no probabilities: in place of ``score`` it has ``statistic``.

    The harness learns from the labelled teams of the dev split what probability a value of the statistic stands for.
    All else is as in :class:`ModelDetector`; labels never reach it.
    """

    def statistic(self, team: Any, battles: Battles, episodes: Episodes | None) -> float:
        """How suspicious the team is: any finite number, higher for more suspicious."""
        ...


def besides(detector: Any, policy: Policy | None) -> dict[str, Any]:
    """What a detector's ``fit`` is given besides episodes: the policy, if it needs that."""
    return {"policy": policy} if "policy" in getattr(detector, "needs", ()) else {}


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
    rate_1: Estimate  # share of triggered episodes with an alarm in this phase; threshold for 1 % false alarms a battle
    rate_5: Estimate
    false_alarms_1: Estimate  # share of normal episodes with an alarm in the same steps, at the same threshold
    false_alarms_5: Estimate
    n_normal: int
    n_triggered: int
    vus_pr: Estimate = Estimate(None)  # of "whole" alone: do scores rise in the very steps of trigger and attack?


@dataclass(frozen=True)
class ModelFigures:
    """How a model detector does on the teams of a split; intervals are bootstraps over checkpoints."""

    split: str  # "dev", which probabilities are learned on, "test" or "holdout"
    against: str  # the teams without a backdoor that count: "all", "clean" or "retrained"
    n_backdoored: int
    n_others: int
    auroc: Estimate  # of the statistic (or the score); higher is better, chance .5
    cross_entropy: Estimate  # of the probability, in nats; lower is better, ln 2 = .693 is what knowing nothing costs
    brier: Estimate  # mean squared error of the probability; lower is better, .25 is what knowing nothing costs


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
    delay: list[list[float]]  # steps from completion, share of battles with an alarm by then (Kaplan-Meier)
    timelines: list[Timeline]
    limits: list[float | None]  # alarm thresholds for 1 % and 5 % false alarms; None where battles were too few
    trigger_length: int  # steps before the completion that are the trigger's
    duration: int  # steps of the attack period after it


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
    checkpoint: str | None  # name of the backdoored team's files
    sizes: dict[str, int]  # battles for each purpose
    figures: Figures
    rows: list[Row]
    packages: dict[str, str]
    git_revision: str | None
    date: str
    runtime_seconds: float
    response: Response | None = None  # None where nothing is done about alarms, and of older results
