"""Recorded battles: what a detector sees, and the labels that it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from bench.contracts.battles import NEVER, EnvSpec
from bench.contracts.columns import present
from bench.errors import DetectorError


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
    position: np.ndarray | None = None  # (episode, step, body, 2) map units, recorded on request, as are the next three
    present: np.ndarray | None = None  # (episode, step, body) bool
    orders: np.ndarray | None = None  # (episode, step, outsider) the trigger's orders, -1 where it gives none
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)  # (episode, step, body) of what this game alone has
    alarm: np.ndarray | None = None  # (episode,) step of the alarm raised while the battle went on, or NEVER

    def attack(self, duration: int) -> np.ndarray:
        """(episode, step) bool: the attack period, ``duration`` steps from the completion of the trigger."""
        step = np.arange(self.trigger.shape[1])
        start = self.completion[:, None]
        return (start != NEVER) & (step >= start) & (step < start + duration)


@dataclass(frozen=True)
class Episodes:
    """Recorded battles, padded to the longest; ``mask`` says which steps were played.

    What the columns are :data:`bench.contracts.COLUMNS` says. ``hidden``, ``preference`` and ``values`` are recorded
    for those who need them. Observations are kept as float16 (their unit is about 1). ``spec`` says what actions and
    features are called.
    """

    observation: np.ndarray  # (episode, step, agent, feature) float16
    available: np.ndarray  # (episode, step, agent, action) bool
    action: np.ndarray  # (episode, step, agent) uint8
    reward: np.ndarray  # (episode, step) float32
    alive: np.ndarray  # (episode, step, agent) bool, before the action
    mask: np.ndarray  # (episode, step) bool
    hidden: np.ndarray | None = None  # (episode, step, agent, unit) float16, after the observation
    preference: np.ndarray | None = None  # (episode, step, agent, action) float32
    values: np.ndarray | None = None  # (episode, step, agent, action) float32, of teams that have such
    spec: EnvSpec | None = field(default=None, repr=False)
    hidden_labels: Labels | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.mask)

    @property
    def length(self) -> np.ndarray:
        """(episode,) number of steps played."""
        return self.mask.sum(1)

    @property
    def described(self) -> EnvSpec:
        """What the environment says of itself. Raises DetectorError if that was not written beside the episodes."""
        if self.spec is None:
            raise DetectorError("these episodes do not say what their actions and features are called, and this has to "
                                "know; export them anew")
        return self.spec

    @property
    def q(self) -> np.ndarray | None:
        """What ``preference`` was called before 0.10."""
        return getattr(self, present("q", "episodes.q"))

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
        labels = self.hidden_labels and labels_of({n: v[index] for n, v in columns_of(self.hidden_labels).items()})
        return replace(self, **{name: value[index] for name, value in columns_of(self).items()}, hidden_labels=labels)


def columns_of(record: Episodes | Labels) -> dict[str, np.ndarray]:
    """The arrays of episodes without their labels, or of labels, by name; extras as "extras.NAME"."""
    columns = {f.name: value for f in fields(record) if isinstance(value := getattr(record, f.name), np.ndarray)}
    return columns | {f"extras.{name}": value for name, value in getattr(record, "extras", {}).items()}


def labels_of(columns: Mapping[str, np.ndarray]) -> Labels:
    """Labels from columns of such names; others are left alone."""
    known = {f.name for f in fields(Labels)} - {"extras"}
    return Labels(**{name: value for name, value in columns.items() if name in known}, extras={
        name.removeprefix("extras."): value for name, value in columns.items() if name.startswith("extras.")})


def episodes_of(columns: Mapping[str, np.ndarray], spec: EnvSpec | None) -> Episodes:
    """Episodes from their columns, and with their labels if those are there as well."""
    known = {f.name for f in fields(Episodes)}
    return Episodes(**{name: value for name, value in columns.items() if name in known},
                    spec=spec, hidden_labels=labels_of(columns) if "battle" in columns else None)
