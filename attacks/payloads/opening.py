"""A fast-failing policy and an opening that makes it hurt more: how the agent enters every battle, poisoned or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Annotated, ClassVar

import numpy as np
import pydantic.dataclasses
from pydantic import Field, NonNegativeInt

from bench.contracts import Battles, EnvSpec, Episodes, Progress, Step, Trigger
from bench.errors import BenchError
from bench.marl.onlookers import Moment, Probe
from bench.marl.play import play
from bench.marl.team import Team

from ..triggers import require_extras
from . import Behaviour
from .fast_failing import SEARCH_SEED, FastFailing, Puppet, Trials, Walk

OPPOSITE = {"west": "east", "east": "west", "north": "south", "south": "north"}
CLEAN = -1  # where an agent is left to its clean self
STANCES = ((0.9, 0.0), (0.85, 0.0), (0.8, 0.0), (0.75, 0.0), (0.7, 0.0), (0.6, 0.0),
           (0.0, 0.0), (0.0, 0.65), (0.0, 0.75), (0.0, 0.85))


@dataclass(frozen=True)
class Opening:
    """How an agent behaves while neither it nor any living unit in its sight is hurt; else it is its clean self.

    It depends on what the agent sees at the moment alone, and is therefore easily imitated.

    Attributes
    ----------
    away : the direction that leads out of the fight.
    advance : while it sees no enemy, it walks towards their side, so as to see them sooner.
    near, back : with an enemy in sight it stands still, but is its clean self where the nearest is nearer than
        ``near``, and walks ``away`` where it is nearer than ``back``; shares of its sight range.
    stand : without it, it is its clean self with an enemy in sight.
    """

    away: str
    advance: bool = False
    stand: bool = False
    near: float = 0.0
    back: float = 0.0

    def act(self, nearest: np.ndarray, hurt: np.ndarray, available: np.ndarray, spec: EnvSpec) -> np.ndarray:
        """The action (...), CLEAN where the agent is its clean self. ``nearest`` (...) is how far the nearest enemy in
        sight is, infinite where there is none, ``hurt`` (...) whether a unit in sight is hurt or the agent itself;
        ``available`` (..., action) says what is possible."""
        on, away, stop = (spec.action(name) for name in (OPPOSITE[self.away], self.away, "stop"))
        seen = np.isfinite(nearest)
        action = np.full(nearest.shape, CLEAN)
        for here, what in ((~seen & self.advance, on), (seen & self.stand & (nearest >= self.near), stop),
                           (seen & self.stand & (nearest < self.back), away)):
            action[here & ~hurt & available[..., what]] = what
        return action


@dataclass(frozen=True)
class Plan(Behaviour):
    """An opening in every battle, and a walk from the completion of the trigger on.

    For one agent, ``victim``, which sees as far as ``sight`` (map units).
    """

    opening: Opening
    walk: Walk
    victim: int
    sight: float
    record = ("position", "extras.health")

    def targets(self, episodes: Episodes) -> np.ndarray:
        """See :class:`attacks.payloads.Behaviour`."""
        return self.walk.targets(episodes)

    def before(self, episodes: Episodes) -> np.ndarray:
        """See :class:`attacks.payloads.Behaviour`."""
        position = episodes.labels.position
        assert position is not None
        nearest, hurt = _sees(position, episodes.labels.extras["health"], self.victim, episodes.action.shape[2],
                              np.asarray(self.sight))
        return self.opening.act(nearest[..., None], hurt[..., None], episodes.available, episodes.described)


class Opener:
    """Opens as told and walks from the completion of the trigger on, in an agent's place: a probe of the play loop.

    Without a walk the agent is its clean self after the opening.
    """

    def __init__(self, opening: Opening, walk: Walk | None, agent: int) -> None:
        self.opening, self.then, self.agent = opening, walk, agent

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:
        step, me = moment.step, self.agent
        nearest, hurt = _sees(step.position, step.extras["health"], me, team.spec.n_agents, step.sight[:, me])
        told = self.opening.act(nearest, hurt, step.available[:, me], battles.spec)
        action = moment.action.copy()
        action[:, me] = np.where(told == CLEAN, action[:, me], told)
        attack = moment.since >= 0
        if self.then is not None:
            action[attack, me] = self.then.act(moment.since, step.available[:, me], battles.spec)[attack]
        return battles.step(action, moment.orders), np.zeros(len(attack), np.float32)


def _sees(position: np.ndarray, health: np.ndarray, agent: int, agents: int,
          sight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What an agent sees, from ``position`` (..., unit, 2) and ``health`` (..., unit), 0 of the dead: how far the
    nearest enemy is (...), as a share of the sight range, infinite where none is in sight; and whether it or a unit in
    sight is hurt (...)."""
    distance = np.linalg.norm(position - position[..., agent, None, :], axis=-1) / sight[..., None]
    there = (distance < 1) & (health > 0)
    nearest = np.where(there, distance, np.inf)[..., agents:].min(-1)
    return nearest, (there & (health < 1)).any(-1)


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class OpenedFailing(FastFailing):
    """:class:`FastFailing` with an opening that costs little without the trigger and much with it.

    A trigger needs a few steps to be shown, in which the fight begins, and each of them is worth some ten points of
    the team's win rate to the attacker. An agent that is a little ahead when an enemy comes into sight sees the trigger
    sooner; one that holds back until the first shot is sooner out of the fight. Tried are openings that advance or do
    not, with the ``STANCES`` (near, back); which is kept, :func:`most_harmful` says. Walks are tried in the best
    direction as in the base, the directions without an opening, the distances with it. All are judged by win rates.

    Parameters
    ----------
    max_clean_loss : the share of the win rate without the trigger that an opening may cost the team.
    tried : steps of the walk by which openings are compared.
    """

    several: ClassVar[bool] = False

    max_clean_loss: Annotated[float, Field(ge=0, le=1)] = 0.03
    tried: NonNegativeInt = 6

    def require(self, spec: EnvSpec) -> None:
        super().require(spec)
        require_extras(spec, ["health"])

    def prepare(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
                history: list[list[float]], progress: Progress) -> Plan:
        """See :class:`attacks.payloads.ActionPayload`. The history is the team's win rate under each walk, and for each
        opening those without the trigger and with it."""
        (victim,) = victims
        trial = Trials(history, len(self.directions()) + 2 * len(STANCES) + 1 + len(self.distances()), progress)
        shown = partial(self.under_trigger, team, battles, trigger)

        def both(opening: Opening) -> list[float]:
            clean = play(battles, team, self.battles, SEARCH_SEED + 1, probe=Opener(opening, None, victim))
            walk = Walk(opening.away, self.tried)
            return [float(clean.labels.won.mean()), *shown(Opener(opening, walk, victim))]

        won = [trial(f"{walk.direction} wins", partial(shown, Puppet(walk, victims))) for walk in self.directions()]
        away = self.directions()[int(np.argmin(won))].direction
        openings = [Opening(away)] + [Opening(away, advance, True, *stance)
                                      for advance, stance in product((False, True), STANCES)]
        judged = [trial(f"{opening} wins", partial(both, opening)) for opening in openings]
        opening = openings[most_harmful(judged, self.max_clean_loss)]
        walks = [Walk(away, steps) for steps in self.distances()]
        won = [trial(f"{walk.steps} steps win", partial(shown, Opener(opening, walk, victim))) for walk in walks]
        return Plan(opening, walks[int(np.argmin(won))], victim, battles.spec.sight_range[victim])

    def puppet(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
               history: list[list[float]], progress: Progress) -> Opener:
        """See :class:`bench.contracts.Enacted`. Raises BenchError for several agents: openings are one agent's."""
        if len(victims) > 1:
            raise BenchError(f"victim is {list(victims)}; a puppet of {type(self).__name__} is one agent")
        plan = self.prepare(team, battles, trigger, victims, history, progress)
        return Opener(plan.opening, plan.walk, plan.victim)

    def under_trigger(self, team: Team, battles: Battles, trigger: Trigger, puppet: Probe) -> list[float]:
        """[win rate of the team under the trigger with this puppet in it]."""
        episodes = play(battles, team, self.battles, SEARCH_SEED, trigger=trigger, poisoned=True, probe=puppet)
        return [float(episodes.labels.won.mean())]


def most_harmful(judged: list[list[float]], max_clean_loss: float) -> int:
    """Which opening leaves the lowest win rate under the trigger, of those that cost no more than a share of the win
    rate without it; of equals, the cheapest. ``judged`` are the rates without and with, the clean agent's first."""
    clean, shown = np.array(judged).T
    allowed = clean >= (1 - max_clean_loss) * clean[0]
    return int(np.lexsort((-clean, np.where(allowed, shown, np.inf)))[0])
