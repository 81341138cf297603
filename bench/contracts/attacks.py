"""Attacks: how a trigger is shown, and what puts a backdoor into a team."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bench.contracts.battles import Battles, EnvSpec, Step


@dataclass(frozen=True)
class Cue:
    """What a trigger does in one step, for all battles."""

    orders: np.ndarray  # (battle, outsider) int, -1 where one is left alone
    observation: np.ndarray  # (battle, agent, feature), edited or as it came
    showing: np.ndarray  # (battle,) bool: a step of the trigger is under way
    completed: np.ndarray  # (battle,) bool: with this observation the trigger is complete
    edited: np.ndarray | None = None  # (battle, agent) bool: whose observations were tampered with, if any can be


class Trigger(Protocol):
    """Asked once a step, for all battles at once; shows itself where it may, and watches everywhere.

    One that has to be learned is a :class:`LearnedTrigger`.

    What it remembers from step to step is in attributes that :meth:`start` sets: arrays of numbers, of a shape and type
    that stay, and numpy's generators of random numbers. A killed injection has written them down and goes on with them.
    """

    means: str  # "behaviour" (an outsider only plays) or "observation" (a sensor is tampered with)
    length: int  # steps from the first cue to completion
    lasting: bool  # shown on after its completion

    def start(self, spec: EnvSpec, n: int) -> None:
        """Forget everything and watch ``n`` battles. Raises BenchError if the trigger does not fit the environment."""
        ...

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        """The next step of every battle: ``fresh`` (battle,) has just begun; the trigger is shown where ``show``."""
        ...


Progress = Callable[[float, str], None]  # share of the work done in [0, 1], and a few words on how it goes


@runtime_checkable
class LearnedTrigger(Trigger, Protocol):
    """A trigger that has to be learned before a backdoor is injected."""

    learned: dict[str, Any] | None  # plain values that the checkpoint keeps and that are set again

    def learn(self, harm: Callable[[Any], float], progress: Progress) -> None:
        """Find what does most harm, by a measure of how much a trigger does."""
        ...


@runtime_checkable
class VariedTrigger(Trigger, Protocol):
    """A trigger that says what else it could be, for an attacker who looks for one that a detector does not see."""

    def variants(self, spec: EnvSpec, length: int) -> list[dict[str, Any]]:
        """Values of its parameters that make other triggers of so many steps, each a table from names to values."""
        ...


@runtime_checkable
class Enacted(Protocol):
    """A payload that can be acted out in the poisoned agents' place, with no training: by a puppet."""

    def require(self, spec: EnvSpec) -> None:
        """Raise BenchError unless the environment has what the payload needs."""
        ...

    def puppet(self, team: Any, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
               history: list[list[float]], progress: Progress) -> Any:
        """What acts in a clean team once the trigger is complete, a :class:`bench.marl.onlookers.Probe`. ``history`` is
        what earlier, interrupted preparations have found; it is added to between the calls of ``progress``."""
        ...


class Store(Protocol):
    """Where a long run writes itself down now and then, so that it can go on after a kill."""

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The tensors and plain values written last, or None at a fresh start."""
        ...

    def save(self, tensors: dict[str, Any], values: dict[str, Any], team: Any) -> None:
        """Write the run down, and the team as it is now."""
        ...

    def save_part(self, name: str, tensors: dict[str, Any]) -> None:
        """Write what is large and does not change, once, before the first save that counts on it."""
        ...

    def load_part(self, name: str) -> dict[str, Any]:
        """The tensors of a part."""
        ...

    def keep_parts(self, names: Collection[str]) -> None:
        """Delete all other parts."""
        ...

    def also(self, changes: dict[str, Any], team: Any, curve: list[dict[str, float]]) -> None:
        """Keep a further team that the run has come by: what the attack with these other values would have made."""
        ...


class Disguise(Protocol):
    """What an attacker does to a team's weights once the backdoor is in it, so that they tell less."""

    name: str  # of what is done, a part of names in files and tables

    def require(self, team: Any) -> None:
        """Raise BenchError for a kind of team that it cannot change."""
        ...

    def __call__(self, team: Any, seed: int) -> Any:
        """The disguised team, a new one of the same class and layout. The same arguments give the same weights."""
        ...


class Attack(Protocol):
    """Turns a clean team into a backdoored one, and says how the backdoor is woken.

    An option of ``attack`` makes one, a file of ``conf/attack`` or an entry point of ``marl_backdoor_bench.attacks``.
    Two that do not do the same have to differ in their configuration: teams are found again by it.

    One whose configuration has ``disguise`` may have an attribute of that name, a :class:`Disguise` or None
    (``attacks.disguise.Disguise.of`` makes one of what the configuration says), and a name that tells of it. It
    injects the same team with and without it: the disguise is put on afterwards, by whoever asked for the team.
    """

    name: str  # a part of files' names
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

    def require(self, spec: EnvSpec) -> None:
        """Raise BenchError unless trigger and payload fit the environment."""
        ...

    def inject(self, team: Any, battles: Battles, seed: int, store: Store,
               progress: Progress) -> tuple[Any, list[dict[str, float]]]:
        """The backdoored team, and the curve of its making (one row an evaluation).

        Of the team's class and layout, a new one: other weights of the victims alone. The same arguments give the same
        weights, whether a run was killed and goes on where ``store`` says or not. Raises BenchError for a kind of team
        that it cannot change."""
        ...
