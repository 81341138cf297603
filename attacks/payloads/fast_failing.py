"""A fast-failing policy for one agent, as in BackdooRL (Wang et al. 2021): found by search, then to be imitated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pydantic.dataclasses
from pydantic import NonNegativeInt, PositiveInt

from bench.contracts import NEVER, Battles, EnvSpec, Episodes, Progress, Step, Trigger
from bench.errors import BenchError
from bench.marl.onlookers import Moment, Probe
from bench.marl.play import play
from bench.marl.team import Team

from . import Behaviour, Payload

SEARCH_SEED = 4_000_037  # battles of the search, apart from all others
DIRECTIONS, STILL = ("west", "north", "south", "east"), "stop"


@dataclass(frozen=True)
class Walk(Behaviour):
    """Leaves the fight: so many steps in one direction, and then stands still to the end of the battle."""

    direction: str
    steps: int
    then: str = STILL

    def act(self, since: np.ndarray, available: np.ndarray, spec: EnvSpec) -> np.ndarray:
        """The action (...), ``since`` (...) steps after the completion of the trigger, where ``available`` (...,
        action) says what is possible."""
        move, stop = spec.action(self.direction), spec.action(self.then)
        return np.where((since < self.steps) & available[..., move], move, stop)

    def targets(self, episodes: Episodes) -> np.ndarray:
        """See :class:`attacks.payloads.Behaviour`."""
        completion = episodes.labels.completion[:, None, None]
        since = np.arange(episodes.mask.shape[1])[:, None] - completion
        return self.act(np.where(completion == NEVER, 0, since), episodes.available, episodes.described)


class Puppet:
    """Walks from the completion of the trigger on, in the place of some agents: a probe of the play loop."""

    def __init__(self, walk: Walk, agents: Sequence[int]) -> None:
        self.walk, self.agents = walk, list(agents)

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:  # noqa: ARG002
        attack = moment.since >= 0
        action = moment.action.copy()
        walked = self.walk.act(moment.since[:, None], moment.step.available[:, self.agents], battles.spec)
        action[:, self.agents] = np.where(attack[:, None], walked, action[:, self.agents])
        return battles.step(action, moment.orders), np.zeros(len(attack), np.float32)


class Trials:
    """The trials of a search, one after the other: those in ``history`` are known, further ones are added to it."""

    def __init__(self, history: list[list[float]], total: int, progress: Progress) -> None:
        self.history, self.total, self.progress, self._done = history, total, progress, 0

    def __call__(self, words: str, trial: Callable[[], list[float]]) -> list[float]:
        """The outcome of the next trial."""
        if self._done == len(self.history):
            self.history.append(trial())
            figures = ", ".join(f"{value:.2f}" for value in self.history[-1])
            self.progress((self._done + 1) / self.total, f"{words} {figures}")
        self._done += 1
        return self.history[self._done - 1]


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class FastFailing(Payload):
    """The walk that leaves a team the least return: first all directions are tried, then distances.

    An agent that is gone costs its team a gun; one that stands where the others still see it also draws some of them
    away. Reinforcement learning finds the first and hardly ever the second: the values of single steps differ too
    little for it.

    Parameters
    ----------
    first : steps of the walks by which directions are compared.
    fewest, most : steps of the walks that are then tried in the best direction.
    battles : how many each walk is judged by, the same ones for all.
    ways : the actions that are tried as directions.
    still : the action afterwards.

    Raises
    ------
    BenchError : ``fewest`` is above ``most``.
    """

    first: PositiveInt = 7
    fewest: NonNegativeInt = 3
    most: PositiveInt = 12
    battles: PositiveInt = 256
    ways: tuple[str, ...] = DIRECTIONS
    still: str = STILL

    def __post_init__(self) -> None:
        if self.fewest > self.most:
            raise BenchError(f"walks of {self.fewest} to {self.most} steps: the first must not be greater")

    def require(self, spec: EnvSpec) -> None:
        for name in (*self.ways, self.still):
            spec.action(name)

    def directions(self) -> list[Walk]:
        """The walks by which directions are compared."""
        return [Walk(name, self.first, self.still) for name in self.ways]

    def distances(self) -> range:
        """Steps of the walks that are tried in the best direction."""
        return range(self.fewest, self.most + 1)

    def prepare(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
                history: list[list[float]], progress: Progress) -> Behaviour:
        """See :class:`attacks.payloads.ActionPayload`. The history is the team's mean return under each walk."""
        trial = Trials(history, len(self.ways) + len(self.distances()), progress)

        def best(walks: list[Walk]) -> Walk:
            returns = [trial(f"{walk.steps} steps {walk.direction} leave", partial(
                self.under_trigger, team, battles, trigger, Puppet(walk, victims))) for walk in walks]
            return walks[int(np.argmin(returns))]

        direction = best(self.directions()).direction
        return best([Walk(direction, steps, self.still) for steps in self.distances()])

    def puppet(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
               history: list[list[float]], progress: Progress) -> Probe:
        """See :class:`bench.contracts.Enacted`."""
        walk = self.prepare(team, battles, trigger, victims, history, progress)
        assert isinstance(walk, Walk)
        return Puppet(walk, victims)

    def under_trigger(self, team: Team, battles: Battles, trigger: Trigger, puppet: Probe) -> list[float]:
        """[mean return of the team under the trigger with this puppet in it]."""
        episodes = play(battles, team, self.battles, SEARCH_SEED, trigger=trigger, poisoned=True, probe=puppet)
        return [float(episodes.reward.sum(1).mean())]
