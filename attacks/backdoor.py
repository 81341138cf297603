"""An attack: a trigger, a payload, who is poisoned, and how it is put in. Declared in ``conf/attack/NAME.yaml``."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.contracts import Battles, EnvSpec, Progress, Store, Trigger
from bench.errors import BenchError, unknown
from bench.marl.team import RecurrentTeam, Team

from .disguise import Disguise
from .injection import Injection, Retraining
from .payloads import ActionPayload, RewardPayload
from .rules import RULES, rule_for
from .triggers import require_agents


@dataclass
class Backdoor:
    """A backdoor in one agent, or in several that share their weights. ``conf/backdoor/common.yaml`` has the values
    that attacks have unless they say otherwise.

    Parameters
    ----------
    victim : the poisoned agent, or a list of them.
    duration : L, steps of the attack period.
    poison_rate : p, share of the poisoned episodes; 0 makes the retraining benign.
    learning : "published", "distilled", "contained" or "imitated", see :mod:`attacks.rules`.
    departures : from the rule, some of those that it says may be made.
    disguise : what is done to the team's weights afterwards, see :meth:`attacks.disguise.Disguise.of`.

    Raises
    ------
    BenchError : no or doubled victims, a learning rule that is unknown or does not fit the payload, a poison rate
        outside [0, 1], a duration below 1.
    """

    name: str
    trigger: Trigger
    payload: RewardPayload | ActionPayload
    victim: int | Sequence[int]
    duration: int
    poison_rate: float
    learning: str
    retraining: Retraining
    departures: Sequence[str] = ()  # a default, as those of Retraining
    disguise: Any = None

    def __post_init__(self) -> None:
        self.disguise = Disguise.of(self.disguise)
        if self.disguise is not None:
            self.name = f"{self.name}-{self.disguise.name}"
        if not self.victims or len(set(self.victims)) < len(self.victims):
            raise BenchError(f"victim is {self.victim}; allowed: an agent, or a list of different ones")
        if self.learning not in RULES:
            raise unknown("learning rule", self.learning, RULES)
        if not isinstance(self.payload, RULES[self.learning][0].teaches):
            raise BenchError(f"learning={self.learning} does not fit a payload of type {type(self.payload).__name__}; "
                             "rewards are 'published', 'distilled' or 'contained', all other payloads 'imitated'")
        if len(self.victims) > 1 and not getattr(self.payload, "several", True):
            raise BenchError(f"victim is {list(self.victims)}; a payload of type {type(self.payload).__name__} is for "
                             "one agent")
        allowed = dict.fromkeys(departure for rule in RULES[self.learning] for departure in rule.departures)
        for departure in self.departures:
            if not allowed:
                raise BenchError(f"learning={self.learning} has no departures; they are those of learning=published")
            if departure not in allowed:
                raise unknown("departure", departure, allowed)
        if not 0 <= self.poison_rate <= 1:
            raise BenchError(f"poison_rate is {self.poison_rate}; allowed: 0 to 1")
        if self.duration < 1:
            raise BenchError(f"duration is {self.duration}; an attack period has at least 1 step")

    @property
    def changes_team(self) -> bool:
        """See :class:`bench.contracts.Attack`."""
        return self.retraining.steps > 0

    @property
    def victims(self) -> tuple[int, ...]:
        """See :class:`bench.contracts.Attack`."""
        return (self.victim,) if isinstance(self.victim, int) else tuple(self.victim)

    @property
    def poisons(self) -> bool:
        """See :class:`bench.contracts.Attack`."""
        return self.changes_team and self.poison_rate > 0

    def require(self, spec: EnvSpec) -> None:
        """See :class:`bench.contracts.Attack`."""
        if self.changes_team:
            require_agents(spec, self.victims)
        copy.deepcopy(self.trigger).start(spec, 1)
        self.payload.require(spec)

    def inject(self, team: Team, battles: Battles, seed: int, store: Store,
               progress: Progress) -> tuple[Team, list[dict[str, float]]]:
        """See :class:`bench.contracts.Attack`. Raises BenchError for a team that the learning rule is not for."""
        rule_for(team, self.learning, self.departures)
        assert isinstance(team, RecurrentTeam)
        injection = Injection(team, battles, self.trigger, self.payload, self.victims, self.duration,
                              self.poison_rate, self.learning, self.retraining, seed, self.departures)
        return injection.run(store, progress)
