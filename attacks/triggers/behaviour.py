"""The spatiotemporal trigger T = (Psi, zeta): what an outsider does, and where, seen from the poisoned agent; and a
census of the patterns that play contains anyway."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.contracts import NOBODY, Cue, EnvSpec, Step
from bench.errors import BenchError, unknown

from ..formula import Formula
from . import first_of, require_agents

UNITS = ("sight", "map")


class BehaviourPattern:
    """An outsider takes the orders ``zeta`` in N consecutive steps while its relative position satisfies ``psi``.

    Inserted as in the paper (Sec. V-A): an outsider that is there and that Psi does not rule out yet is driven through
    zeta and then handed back; if on the way Psi fails, the agent does not see it when it should, or either is gone, the
    attempt is given up and another may follow. Watched for in the same way in all battles, whoever moves the outsider:
    the trigger is complete when Psi and zeta have held for N steps of one that the agent saw when it should, and both
    are still there.

    Parameters
    ----------
    psi : the formula, see :mod:`attacks.formula`.
    zeta : N of the environment's ``outsider_orders``, such as "north" or "stop".
    victim : the poisoned agent; of several, the first is the one that it is about.
    unit : the unit of lengths in ``psi``: "sight" (the agent's sight range) or "map" (map units).
    seen_from : the time offset at which the agent has to see the outsider: 0, as it begins; or 1, after its first
        order, which may be the step that brings it into sight. Where an observation tells what those in sight did last,
        no order goes unseen either way.

    Raises
    ------
    BenchError : a formula that does not parse, an unknown unit, ``seen_from`` not 0 or 1. By ``start``:
        an order that the environment does not know.
    """

    means = "behaviour"
    lasting = False

    def __init__(self, psi: str, zeta: Sequence[str], victim: int | Sequence[int] = 0, unit: str = "sight",
                 seen_from: int = 0) -> None:
        if not zeta:
            raise BenchError("a trigger needs at least one order in zeta")
        if unit not in UNITS:
            raise unknown("unit of length", unit, UNITS)
        if seen_from not in (0, 1) or seen_from >= len(zeta):
            raise BenchError(f"seen_from is {seen_from}; allowed: 0, or 1 in a trigger of at least 2 steps")
        self.psi = Formula(psi, len(zeta))
        self.zeta = list(zeta)
        self.victim, self.unit, self.length, self.seen_from = first_of(victim), unit, len(zeta), seen_from

    def census(self) -> Census:
        """A watcher that counts which sequences of moves occur by themselves where this pattern's zeta could."""
        return Census(self)

    def variants(self, spec: EnvSpec, length: int) -> list[dict[str, Any]]:
        """See :class:`bench.contracts.VariedTrigger`: every sequence of so many of the environment's orders."""
        return [{"zeta": list(orders)} for orders in itertools.product(spec.outsider_orders, repeat=length)]

    def start(self, spec: EnvSpec, n: int) -> None:
        require_agents(spec, [self.victim])
        if self.length >= spec.episode_limit:
            raise BenchError(f"a trigger of {self.length} steps does not fit an episode of {spec.episode_limit} steps")
        self._agents, self._orders = spec.n_agents, np.array([spec.order(name) for name in self.zeta])
        shape = (n, spec.n_outsiders, self.length)
        self._places = np.zeros((*shape, 3))  # of every outsider in the last N steps
        self._seen = np.zeros(shape, bool)
        self._actions = np.full(shape, -1)
        self._attempt = np.zeros((n, self.length, 3))  # places of the driven unit since its first order
        self._driven = np.full(n, NOBODY)
        self._stage = np.zeros(n, int)  # orders given

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        fits, actions, present = self.watch(step, fresh)
        completed = np.asarray((fits & (actions == self._orders).all(-1)).any(1))
        show = show & ~completed
        self._driven[fresh] = NOBODY
        self._stage[fresh] = 0
        place, seen = self._places[:, :, -1], self._seen[..., -1]
        self._release(place, seen, present, show)
        self._choose(place, seen if self.seen_from == 0 else present, show)
        orders = np.full(present.shape, -1)
        driving = np.nonzero(self._driven != NOBODY)[0]
        orders[driving, self._driven[driving]] = self._orders[self._stage[driving]]
        self._stage[driving] += 1
        showing = self._driven != NOBODY
        return Cue(orders, step.observation, showing, completed)

    def watch(self, step: Step, fresh: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Take note of a step. Of every outsider: (battle, outsider) bool, whether it was seen when it should and kept
        to Psi for the last N steps and both it and the agent are there; (battle, outsider, N) what it did in them, -1
        before the battle; and (battle, outsider) bool, whether both are there."""
        self._seen[fresh] = False
        self._actions[fresh] = -1
        place, seen, present = self._look(step)
        self._actions = np.concatenate([self._actions[..., 1:], step.outsider_actions[..., None]], -1)
        fits = self._seen[..., self.seen_from] & present & self.psi(self._places, self.length)[1]
        self._places = np.concatenate([self._places[:, :, 1:], place[:, :, None]], 2)
        self._seen = np.concatenate([self._seen[..., 1:], seen[..., None]], -1)
        return fits, self._actions, present

    def _look(self, step: Step) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of every outsider (battle, outsider): its place (.., 3), whether the agent sees it, whether both are there.
        """
        offset = step.position[:, self._agents:] - step.position[:, self.victim, None]
        distance = np.linalg.norm(offset, axis=-1, keepdims=True)
        present = step.present[:, self._agents:] & step.active[:, self.victim, None]
        sight = step.sight[:, self.victim, None]
        scale = sight[..., None] if self.unit == "sight" else 1.0
        return np.concatenate([offset, distance], -1) / scale, present & (distance[..., 0] < sight), present

    def _release(self, place: np.ndarray, seen: np.ndarray, present: np.ndarray, show: np.ndarray) -> None:
        """Hand back those that are through, gone, unseen or in the wrong place; note where the others are."""
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
        """Take over the nearest that Psi allows to begin, where the trigger is to be shown and nobody is driven."""
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
        return list(itertools.product(self._moves, repeat=self.length))

    @property
    def counts(self) -> np.ndarray:
        """(sequence,) in how many battles each of the sequences has occurred so far."""
        return self._counts + self._occurred.sum(0)

    def start(self, spec: EnvSpec, n: int) -> None:
        self.pattern.start(spec, n)
        self._moves = spec.moves
        self._orders = np.array([spec.order(name) for name in self._moves])
        self._weights = len(self._moves) ** np.arange(self.length)[::-1]
        self._occurred = np.zeros((n, len(self._moves) ** self.length), bool)
        self._counts = np.zeros(self._occurred.shape[1], int)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        self._counts += self._occurred[fresh].sum(0)
        self._occurred[fresh] = False
        fits, actions, _ = self.pattern.watch(step, fresh)
        made = actions[..., None] == self._orders  # (battle, outsider, N, move)
        battle, outsider = np.nonzero(fits & ~step.done[:, None] & made.any(-1).all(-1))
        self._occurred[battle, made[battle, outsider].argmax(-1) @ self._weights] = True
        nowhere = np.zeros(len(show), bool)
        return Cue(np.full(fits.shape, -1), step.observation, nowhere, nowhere)
