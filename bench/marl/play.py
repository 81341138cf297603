"""Playing battles with a team and recording them: the one loop behind training, injection and evaluation.

Battles run in slots. When one ends, its slot takes the next battle, so that hardly a step is spent on finished ones.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from jax import tree
from torch import Tensor

from bench import interrupts
from bench.contracts import NEVER, Battles, Cue, EnvSpec, Episodes, Progress, Step, Trigger, column_kind, episodes_of
from bench.marl.memory import below, like, read, recall, remembered, written
from bench.marl.onlookers import Guard, Moment, Probe
from bench.marl.pages import kept, zeros
from bench.marl.team import Team, greedy

SLOTS = 64  # one size for everything: every size of batch is compiled anew


class Player:
    """Slots in which battles of one seed are played, one after the other; the battles carry over between calls.

    Parameters
    ----------
    trigger : shown in the battles drawn with ``poison_rate``, watched for in all of them.
    record : more columns to keep, those of :data:`bench.contracts.COLUMNS` that are kept on request, and "extras.NAME".
    limit : stop after this many battles (their numbers are 0 .. limit-1); endless by default.
    guard : looks on; its alarms are kept as ``labels.alarm``.
    """

    def __init__(self, battles: Battles, seed: int, *, trigger: Trigger | None = None, poison_rate: float = 0.0,
                 record: Iterable[str] = (), limit: int | None = None, guard: Guard | None = None) -> None:
        self.battles, self.poison_rate, self.limit, self.guard = battles, poison_rate, limit, guard
        self.trigger = copy.deepcopy(trigger)  # it remembers what it watches
        self.record = frozenset(record)
        self.rng = np.random.default_rng([seed, 1])
        n = self.slots = min(SLOTS, getattr(battles, "at_once", SLOTS))
        self._slot = np.arange(n)
        self._number, self._next = np.arange(n), n
        self._time = np.zeros(n, int)
        self._idle = self._number >= (np.inf if limit is None else limit)
        self._fresh = np.ones(n, bool)
        self._completion, self._alarm = np.full(n, NEVER), np.full(n, NEVER)
        self._poisoned = self.rng.random(n) < poison_rate
        self._last = np.full((n, battles.spec.n_agents), -1)
        self._hidden: Tensor | None = None
        self._columns: dict[str, np.ndarray] = {}
        self._step = battles.reset(seed, self._number)
        if self.trigger is not None:
            self.trigger.start(battles.spec, n)
        self._plain = Cue(np.full((n, battles.spec.n_outsiders), -1), self._step.observation,
                          np.zeros(n, bool), np.zeros(n, bool))

    def play(self, team: Team, n: int, *, epsilon: float | np.ndarray = 0.0, sampled: bool | np.ndarray = False,
             probe: Probe | None = None, progress: Progress | None = None) -> Episodes:
        """At least ``n`` more finished episodes, by number. ``epsilon`` is each agent's chance of a random action;
        ``sampled`` says which agents draw an action by the softmax of their preferences and do not take the greatest.
        """
        team.require(self.battles.spec, self.record)
        done: list[dict[str, np.ndarray]] = []
        count = 0
        while count < n:
            with interrupts.polled():
                finished = self._advance(team, np.broadcast_to(epsilon, team.spec.n_agents),
                                         np.broadcast_to(sampled, team.spec.n_agents), probe)
            interrupts.poll()
            if len(finished):
                done.append(self._collect(finished))
                count += len(finished)
                self._refill(finished)
                if progress is not None:
                    progress(min(count / n, 1.0), f"{count:,} battles")
        return _assemble(done, self.battles.spec)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """(arrays, plain values) from which :meth:`load` goes on, of a player without a guard."""
        assert self.guard is None, "what it remembers is not written"
        steps = self._time.max()
        arrays = {name: getattr(self, f"_{name}") for name in _PLACES}
        arrays |= {f"columns.{name}": value[:, :steps] for name, value in self._columns.items()}
        arrays |= {f"step.{name}": value for name, value in self._step.arrays().items()}
        arrays |= {f"battles.{i}": np.asarray(leaf) for i, leaf in enumerate(tree.leaves(self.battles.snapshot()))}
        if self._hidden is not None:
            arrays["hidden"] = self._hidden.numpy()
        if self.trigger is not None:
            arrays |= {f"trigger.{name}": value for name, value in remembered(self.trigger).items()}
        return arrays, {"next": self._next, "rng": written(self.rng)}

    def load(self, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
        """Go on where another player of the same battles and trigger was when it was written by :meth:`state`."""
        for name in _PLACES:
            setattr(self, f"_{name}", like(getattr(self, f"_{name}"), arrays[name]))
        self._next, self.rng.bit_generator.state = int(values["next"]), read(values["rng"])
        self._hidden = torch.from_numpy(arrays["hidden"].copy()) if "hidden" in arrays else None
        if self.trigger is not None:
            recall(self.trigger, below(arrays, "trigger"))
        self._columns = {}
        for name, value in below(arrays, "columns").items():
            self._columns[name] = self._column(name, value.shape[2:])
            self._columns[name][:, : value.shape[1]] = value
        flat = {name: like(value, arrays[f"step.{name}"]) for name, value in self._step.arrays().items()}
        extras = {name: flat.pop(f"extras.{name}") for name in self._step.extras}
        self._step = Step(**flat, extras=extras)
        leaves, layout = tree.flatten(self.battles.snapshot())
        self.battles.restore(tree.unflatten(layout, [
            int(arrays[f"battles.{i}"]) if isinstance(leaf, int) else like(leaf, arrays[f"battles.{i}"])
            for i, leaf in enumerate(leaves)]))

    def _advance(self, team: Team, epsilon: np.ndarray, sampled: np.ndarray, probe: Probe | None) -> np.ndarray:
        """One step of every slot; returns the slots whose battle has ended."""
        if self._hidden is None:
            self._hidden = team.start(len(self._slot))
        step, cue = self._step, self._cue()
        now = cue.completed & (self._completion == NEVER)
        self._completion[now] = self._time[now]
        preferences, hidden = team.act(cue.observation, self._last, self._hidden)
        action = self._explore(greedy(self._drawn(preferences, sampled), step.available), step.available, epsilon)
        if self.guard is not None:
            action = self.guard.act(action, cue.observation, self._last, step.available, self._fresh)
        since = np.where(self._completion == NEVER, -1, self._time - self._completion)
        value = None
        if probe is None:
            after = self.battles.step(action, cue.orders)
        else:
            edited = np.zeros(action.shape, bool) if cue.edited is None else cue.edited
            moment = Moment(step, cue.observation, self._last, action, cue.orders, hidden, self._fresh, since, edited)
            after, value = probe(self.battles, team, moment)
        seen = torch.tensor(cue.observation).half().numpy()  # numpy's own conversion is slower
        row = {"observation": seen, "available": step.available, "action": action,
               "reward": after.reward, "alive": step.active,
               "mask": ~self._idle, "trigger": cue.showing}
        extra = team.recorded(preferences, hidden) | {
            "state": step.state, "position": step.position, "present": step.present, "orders": cue.orders}
        extra |= {f"extras.{name}": value for name, value in step.extras.items()}
        row |= {name: extra[name] for name in self.record}
        if value is not None:
            row["probe"] = value
        if cue.edited is not None:
            row["edited"] = cue.edited
        self._write(row)
        over = after.done if self.guard is None else after.done | self._look(self.guard, after.done)
        self._time += 1
        self._last, self._hidden, self._step = action, hidden, after
        self._fresh = np.zeros_like(self._fresh)
        return np.nonzero(over & ~self._idle)[0]

    def _look(self, guard: Guard, done: np.ndarray) -> np.ndarray:
        """Let the guard look at the battles that go on; returns those (battle,) that end here because of it."""
        halted = np.zeros_like(done)
        slots = np.nonzero(~done & ~self._idle & (self._alarm == NEVER))[0]
        if len(slots):
            steps = self._time[slots].max() + 1
            names = [f.name for f in fields(Episodes) if f.name in self._columns]
            shown = Episodes(**{name: self._columns[name][slots, :steps] for name in names},  # type: ignore[arg-type]
                             spec=self.battles.spec)
            alarmed = slots[guard.look(shown, slots)]
            self._alarm[alarmed] = self._time[alarmed]
            halted[alarmed] = guard.halts
        return halted

    def _cue(self) -> Cue:
        if self.trigger is None:
            return Cue(self._plain.orders, self._step.observation, self._plain.showing, self._plain.completed)
        show = self._poisoned & ~self._idle
        if not self.trigger.lasting:
            show &= self._completion == NEVER
        return self.trigger.cue(self._step, self._fresh, show)

    def _drawn(self, preferences: Tensor, sampled: np.ndarray) -> Tensor:
        """Preferences of which the greatest is drawn by their softmax, for the agents that are to draw: with Gumbel
        noise, the greatest available one is a draw from the softmax of the available ones."""
        if not sampled.any():
            return preferences
        noise = self.rng.gumbel(size=preferences.shape).astype(np.float32) * sampled[:, None]
        return preferences + torch.from_numpy(noise)

    def _explore(self, action: np.ndarray, available: np.ndarray, epsilon: np.ndarray) -> np.ndarray:
        if not epsilon.any():
            return action
        anything = np.where(available, self.rng.random(available.shape), -1).argmax(-1)
        return np.where(self.rng.random(action.shape) < epsilon, anything, action)

    def _write(self, row: dict[str, np.ndarray]) -> None:
        at = np.where(self._idle, 0, self._time)  # what an idle slot shows is never read
        for name, value in row.items():
            if name not in self._columns:
                self._columns[name] = self._column(name, value.shape[1:])
            self._columns[name][self._slot, at] = value

    def _column(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Room for the longest battle in every slot; of the memory, what is written to is taken."""
        return zeros((len(self._slot), self.battles.spec.episode_limit, *shape), column_kind(name).dtype, 0)

    def _collect(self, slots: np.ndarray) -> dict[str, np.ndarray]:
        length = self._time[slots].max()
        out = {name: kept(column[slots, :length]) for name, column in self._columns.items()}
        out |= {"battle": self._number[slots], "won": self._step.won[slots],
                "poisoned": self._poisoned[slots], "completion": self._completion[slots].copy()}
        if self.guard is not None:
            out["alarm"] = self._alarm[slots].copy()
        return out

    def _refill(self, slots: np.ndarray) -> None:
        """Give the slots new battles; idle where none is left."""
        for column in self._columns.values():
            column[slots, : self._time[slots].max()] = 0
        numbers = self._next + np.arange(len(slots))
        left = numbers < self.limit if self.limit is not None else np.ones(len(slots), bool)
        self._idle[slots[~left]] = True
        slots, numbers = slots[left], numbers[left]
        if not len(slots):
            return
        self._next += len(slots)
        self._number[slots], self._time[slots] = numbers, 0
        self._completion[slots] = self._alarm[slots] = NEVER
        self._poisoned[slots] = self.rng.random(len(slots)) < self.poison_rate
        self._last[slots] = -1
        assert self._hidden is not None
        self._hidden[:, slots] = 0
        self._fresh[slots] = True
        self._step = self.battles.replace(slots, numbers)


_PLACES = ("number", "time", "idle", "fresh", "completion", "alarm", "poisoned", "last")  # arrays of a slot each


def play(battles: Battles, team: Team, n: int, seed: int, *, trigger: Trigger | None = None, poisoned: bool = False,
         record: Iterable[str] = (), probe: Probe | None = None, guard: Guard | None = None,
         progress: Progress | None = None) -> Episodes:
    """Exactly the battles 0 .. n-1 of a seed, in this order, played greedily.

    The trigger is shown in all of them (``poisoned``) or only watched for. The same arguments give the same episodes.
    Battles that were under way before are left as they were.
    """
    under_way = battles.snapshot()
    player = Player(battles, seed, trigger=trigger, poison_rate=float(poisoned), record=record, limit=n,
                    guard=guard)
    episodes = player.play(team, n, probe=probe, progress=progress)
    battles.restore(under_way)
    return episodes


def _assemble(parts: list[dict[str, np.ndarray]], spec: EnvSpec) -> Episodes:
    """Recorded parts, padded to the longest and put into one record in the order of the battles' numbers."""
    length = max(part["mask"].shape[1] for part in parts)
    numbers = np.concatenate([part["battle"] for part in parts])
    places = np.split(np.argsort(np.argsort(numbers)), np.cumsum([len(part["battle"]) for part in parts])[:-1])
    columns = {}
    for name, first in list(parts[0].items()):
        stepwise = (length,) if "step" in column_kind(name).axes else ()
        columns[name] = zeros((len(numbers), *stepwise, *first.shape[1 + len(stepwise):]), first.dtype)
        for part, place in zip(parts, places, strict=True):
            value = part.pop(name)  # let go of each part as it is copied: observations are large
            if stepwise:
                columns[name][place, : value.shape[1]] = value
            else:
                columns[name][place] = value
    return episodes_of(columns, spec)
