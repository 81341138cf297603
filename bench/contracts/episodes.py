"""Recorded battles: what a detector sees, and the labels that it does not."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from bench.contracts.battles import NEVER
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
    position: np.ndarray | None = None  # (episode, step, unit, 2) map units, recorded on request, as are the next two
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

    What the columns are :data:`bench.contracts.COLUMNS` says. ``hidden``, ``preference`` and ``values`` are recorded
    for those who need them. Observations are kept as float16 (their unit is about 1).
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
    hidden_labels: Labels | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.mask)

    @property
    def length(self) -> np.ndarray:
        """(episode,) number of steps played."""
        return self.mask.sum(1)

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
        return replace(self, **{name: value[index] for name, value in _columns(self)},
                       hidden_labels=None if self.hidden_labels is None else replace(
                           self.hidden_labels, **{n: v[index] for n, v in _columns(self.hidden_labels)}))


def _columns(record: Any) -> list[tuple[str, np.ndarray]]:
    """The (name, array) pairs of a record of arrays."""
    pairs = ((f.name, getattr(record, f.name)) for f in fields(record))
    return [(name, value) for name, value in pairs if isinstance(value, np.ndarray)]
