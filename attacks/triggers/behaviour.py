"""The spatiotemporal trigger T = (Psi, zeta): what an enemy unit does, and where, seen from the poisoned agent; and a
census of the patterns that play contains anyway."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from bench.contracts import MOVES, NOBODY, Cue, EnvSpec, Step
from bench.errors import BenchError, unknown

from ..formula import Formula
from . import one_agent, require_agents

UNITS = ("sight", "map")
DIRECTIONS = {name: number for name, number in MOVES.items() if name != "stop"}  # numbered from 0 on


class BehaviourPattern:
    """An enemy unit takes the orders ``zeta`` in N consecutive steps while its relative position satisfies ``psi``.

    Inserted as in the paper (Sec. V-A): a living enemy that Psi does not rule out yet is driven through zeta and then
    handed back; if on the way Psi fails, the agent does not see the unit when it should, or either unit dies, the
    attempt is given up and another may follow. Watched for in the same way in all battles, whoever moves the unit: the
    trigger is complete when Psi and zeta have held for N steps of a unit that the agent saw when it should, and both
    units are alive.

    Parameters
    ----------
    psi : the formula, see :mod:`attacks.formula`.
    zeta : N orders: "north", "east", "south", "west" or "stop".
    victim : the poisoned agent.
    unit : the unit of lengths in ``psi``: "sight" (the agent's sight range) or "map" (map units).
    seen_from : the time offset at which the agent has to see the unit: 0, as it begins; or 1, after its first order,
        which may be the step that brings it into sight. No order goes unseen either way, since the observation of a
        unit in sight tells what it did last.

    Raises
    ------
    BenchError : a formula that does not parse, an unknown order or unit, ``seen_from`` not 0 or 1, several agents.
    """

    means = "behaviour"
    lasting = False

    def __init__(self, psi: str, zeta: Sequence[str], victim: int = 0, unit: str = "sight",
                 seen_from: int = 0) -> None:
        if not zeta:
            raise BenchError("a trigger needs at least one order in zeta")
        for order in zeta:
            if order not in MOVES:
                raise unknown("order in zeta", order, MOVES)
        if unit not in UNITS:
            raise unknown("unit of length", unit, UNITS)
        if seen_from not in (0, 1) or seen_from >= len(zeta):
            raise BenchError(f"seen_from is {seen_from}; allowed: 0, or 1 in a trigger of at least 2 steps")
        self.psi = Formula(psi, len(zeta))
        self.zeta = np.array([MOVES[order] for order in zeta])
        self.victim, self.unit, self.length, self.seen_from = one_agent(victim), unit, len(zeta), seen_from

    def census(self) -> Census:
        """A watcher that counts which sequences of moves occur by themselves where this pattern's zeta could."""
        return Census(self)

    def start(self, spec: EnvSpec, n: int) -> None:
        require_agents(spec, [self.victim])
        if self.length >= spec.episode_limit:
            raise BenchError(f"a trigger of {self.length} steps does not fit an episode of {spec.episode_limit} steps")
        self._agents = spec.n_agents
        shape = (n, spec.n_enemies, self.length)
        self._places = np.zeros((*shape, 3))  # of every enemy in the last N steps
        self._seen = np.zeros(shape, bool)
        self._actions = np.full(shape, -1)
        self._attempt = np.zeros((n, self.length, 3))  # places of the driven unit since its first order
        self._driven = np.full(n, NOBODY)
        self._stage = np.zeros(n, int)  # orders given

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        fits, actions, present = self.watch(step, fresh)
        completed = np.asarray((fits & (actions == self.zeta).all(-1)).any(1))
        show = show & ~completed
        self._driven[fresh] = NOBODY
        self._stage[fresh] = 0
        place, seen = self._places[:, :, -1], self._seen[..., -1]
        self._release(place, seen, present, show)
        self._choose(place, seen if self.seen_from == 0 else present, show)
        orders = np.full(present.shape, -1)
        driving = np.nonzero(self._driven != NOBODY)[0]
        orders[driving, self._driven[driving]] = self.zeta[self._stage[driving]]
        self._stage[driving] += 1
        showing = self._driven != NOBODY
        return Cue(orders, step.observation, showing, completed)

    def watch(self, step: Step, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take note of a step. Of every enemy unit: (battle, enemy) bool, whether it was seen when it should and kept
        to Psi for the last N steps and both it and the agent are alive; (battle, enemy, N) what it did in them, -1
        before the battle; and (battle, enemy) bool, whether both are alive."""
        self._seen[fresh] = False
        self._actions[fresh] = -1
        place, seen, present = self._look(step)
        self._actions = np.concatenate([self._actions[..., 1:], step.enemy_actions[..., None]], -1)
        fits = self._seen[..., self.seen_from] & present & self.psi(self._places, self.length)[1]
        self._places = np.concatenate([self._places[:, :, 1:], place[:, :, None]], 2)
        self._seen = np.concatenate([self._seen[..., 1:], seen[..., None]], -1)
        return fits, self._actions, present

    def _look(self, step: Step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every enemy (battle, enemy): its place (.., 3), whether the agent sees it, whether both are alive."""
        offset = step.position[:, self._agents:] - step.position[:, self.victim, None]
        distance = np.linalg.norm(offset, axis=-1, keepdims=True)
        present = step.alive[:, self._agents:] & step.alive[:, self.victim, None]
        sight = step.sight[:, self.victim, None]
        scale = sight[..., None] if self.unit == "sight" else 1.0
        return np.concatenate([offset, distance], -1) / scale, present & (distance[..., 0] < sight), present

    def _release(self, place: np.ndarray, seen: np.ndarray, present: np.ndarray, show: np.ndarray) -> None:
        """Hand units back that are through, dead, unseen or in the wrong place; note where the others are."""
        rows = np.nonzero(self._driven != NOBODY)[0]
        unit, stage = self._driven[rows], self._stage[rows]
        on = show[rows] & present[rows, unit] & (stage < self.length)
        on &= seen[rows, unit] | (stage != self.seen_from)
        self._driven[rows[~on]] = NOBODY
        rows, unit, stage = rows[on], unit[on], stage[on]
        self._attempt[rows, stage] = place[rows, unit]
        possible = np.ones(len(rows), bool)
        for k in np.unique(stage):
            here = stage == k
            possible[here] = self.psi(self._attempt[rows[here]], k + 1)[0]
        self._driven[rows[~possible]] = NOBODY

    def _choose(self, place: np.ndarray, eligible: np.ndarray, show: np.ndarray) -> None:
        """Take over the nearest unit that Psi allows to begin, where the trigger is to be shown and none is driven."""
        begin = np.zeros((*place.shape[:2], self.length, 3))
        begin[:, :, 0] = place
        allowed = eligible & self.psi(begin, 1)[0] & (show & (self._driven == NOBODY))[:, None]
        rows = np.nonzero(allowed.any(1))[0]
        unit = np.where(allowed, place[..., 2], np.inf).argmin(1)[rows]
        self._driven[rows], self._stage[rows] = unit, 0
        self._attempt[rows, 0] = place[rows, unit]


class Census:
    """A trigger that is never shown: watches for every sequence of moves as long as a pattern's zeta, under its Psi.

    Parameters
    ----------
    pattern : the pattern whose Psi, length, agent and first sight count.

    """

    means = "none"
    lasting = False

    def __init__(self, pattern: BehaviourPattern) -> None:
        self.pattern, self.length = pattern, pattern.length

    @property
    def sequences(self) -> list[tuple[str, ...]]:
        """The sequences in the order of ``counts``."""
        return list(itertools.product(DIRECTIONS, repeat=self.length))

    @property
    def counts(self) -> np.ndarray:
        """(4 ** length,) in how many battles each of the sequences has occurred so far."""
        return self._counts + self._occurred.sum(0)

    def start(self, spec: EnvSpec, n: int) -> None:
        self.pattern.start(spec, n)
        self._weights = len(DIRECTIONS) ** np.arange(self.length)[::-1]
        self._occurred = np.zeros((n, len(DIRECTIONS) ** self.length), bool)
        self._counts = np.zeros(self._occurred.shape[1], int)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        self._counts += self._occurred[fresh].sum(0)
        self._occurred[fresh] = False
        fits, actions, _ = self.pattern.watch(step, fresh)
        battle, enemy = np.nonzero(fits & ~step.done[:, None] & np.isin(actions, list(DIRECTIONS.values())).all(-1))
        self._occurred[battle, actions[battle, enemy] @ self._weights] = True
        nowhere = np.zeros(len(show), bool)
        return Cue(np.full(fits.shape, -1), step.observation, nowhere, nowhere)
