"""Episode replay: the newest episodes, sampled uniformly; in memory, and on disk for a run that is killed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from bench.contracts import EnvSpec, Episodes, Store, columns_of, episodes_of

FEW = 64  # episodes that are padded at a time
WARM_UP = 8  # batches in a replay before learning begins


class Replay:
    """A ring of at most ``capacity`` episodes of up to ``episode_limit`` steps.

    Only steps that were played are kept, one row each, in memory that grows with them: on most maps battles are far
    shorter than their limit, and a whole buffer at the limit of a large map would fill tens of GiB.
    """

    def __init__(self, capacity: int, episode_limit: int, spec: EnvSpec | None = None) -> None:
        self.capacity, self.spec = capacity, spec
        self.size = self._at = self.added = 0
        self._episodes: dict[str, np.ndarray] = {}  # columns (episode, ...)
        self._steps: dict[str, np.ndarray] = {}  # columns (row, ...); row 0 stays empty: it is what padding shows
        self._rows = np.zeros((capacity, episode_limit), np.int64)  # (episode, step) its row; 0 if it was not played
        self._free = np.zeros(0, np.int64)  # rows of episodes that were written over
        self._used = 1

    def add(self, episodes: Episodes) -> None:
        """Store episodes, over the oldest ones where the ring is full."""
        episodes = episodes[-self.capacity:]
        n = len(episodes)
        if n == 0:
            return
        places = (self._at + np.arange(n)) % self.capacity
        rows = self._claim(places, episodes.mask)
        for name, value in _flat(episodes).items():
            if value.ndim == 1:
                self._episodes.setdefault(name, np.zeros(self.capacity, value.dtype))[places] = value
                continue
            if name not in self._steps:
                self._steps[name] = np.zeros((0, *value.shape[2:]), value.dtype)
            column = self._steps[name]
            if len(column) < self._used:  # in place: a large array is moved in memory by no copy
                column.resize((self._used + self._used // 8, *column.shape[1:]), refcheck=False)
            column[rows] = value[episodes.mask]
        self._at = (self._at + n) % self.capacity
        self.added += n
        self.size = min(self.size + n, self.capacity)

    def _claim(self, places: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """The rows of the played steps (``mask``) of episodes that go to these places of the ring."""
        before = self._rows[places]
        free = np.concatenate([self._free, before[before > 0]])
        steps = int(mask.sum())
        new = np.arange(self._used, self._used + max(0, steps - len(free)))
        self._used += len(new)
        rows, self._free = np.concatenate([free[:steps], new]), free[steps:]
        table = np.zeros((len(places), self._rows.shape[1]), np.int64)
        table[:, : mask.shape[1]][mask] = rows
        self._rows[places] = table
        return rows

    def newest(self, n: int) -> dict[str, np.ndarray]:
        """The ``n`` episodes that were added last, in their order, for a file: "length", columns of an episode each
        ("episode.NAME"), and columns of a played step each ("step.NAME")."""
        places = (self._at - n + np.arange(n)) % self.capacity
        rows = self._rows[places]
        played = rows > 0
        whole = {f"episode.{name}": value[places] for name, value in self._episodes.items()}
        steps = {f"step.{name}": _take(value, rows[played]) for name, value in self._steps.items()}
        return {"length": played.sum(1)} | whole | steps

    def refill(self, parts: Sequence[dict[str, np.ndarray]], added: int) -> None:
        """Fill an empty replay with what :meth:`newest` gave, each episode where it was after ``added`` ones."""
        self.added = added - sum(len(part["length"]) for part in parts)
        self._at = self.added % self.capacity
        for part in parts:
            for some in _few(part, self._rows.shape[1]):
                self.add(some)

    def sample(self, n: int, rng: np.random.Generator, newest: int | None = None) -> Episodes:
        """``n`` episodes drawn with replacement, from all or from the ``newest``, cut to the longest of them."""
        if newest is None:
            return episodes_of(self._columns(rng.integers(self.size, size=n)), self.spec)
        back = 1 + rng.integers(min(newest, self.size), size=n)
        return episodes_of(self._columns((self._at - back) % self.capacity), self.spec)

    def _columns(self, places: np.ndarray) -> dict[str, np.ndarray]:
        """All columns of the episodes at these places, cut to the longest of them."""
        rows = self._rows[places]
        rows = rows[:, : int((rows > 0).sum(1).max(initial=0))]
        columns = {name: value[places] for name, value in self._episodes.items()}
        return columns | {name: _take(value, rows.ravel()).reshape(*rows.shape, *value.shape[1:])
                          for name, value in self._steps.items()}


class ReplayLog:
    """A replay on disk, an entry for the episodes between two saves: each is written once."""

    def __init__(self, store: Store, replay: Replay, name: str = "") -> None:
        self.store, self.replay, self.name = store, replay, name
        self.added = replay.added
        self.entries: list[list[int]] = []  # (number of episodes ever added at its end, episodes in it)

    def add(self) -> list[list[int]]:
        """Write what has been added since the last time; returns what :meth:`load` needs."""
        n = min(self.replay.added - self.added, self.replay.size)
        self.added = self.replay.added
        if n:
            self.store.save_part(self._part(self.added), {
                name: torch.from_numpy(value) for name, value in self.replay.newest(n).items()})
            self.entries.append([self.added, n])
        while sum(n for _, n in self.entries[1:]) >= self.replay.size > 0:
            self.entries.pop(0)
        return self.entries

    @property
    def parts(self) -> list[str]:
        """The names of the entries that a save refers to."""
        return [self._part(added) for added, _ in self.entries]

    def load(self, entries: list[list[int]]) -> None:
        """Fill the replay from what :meth:`add` has returned."""
        self.entries = [list(entry) for entry in entries]
        parts = [{name: value.numpy() for name, value in self.store.load_part(part).items()} for part in self.parts]
        self.added = self.entries[-1][0] if self.entries else 0
        self.replay.refill(parts, self.added)

    def _part(self, added: int) -> str:
        return f"{self.name}{added}"


def _few(part: dict[str, np.ndarray], limit: int) -> Iterator[Episodes]:
    """The episodes of :meth:`Replay.newest`, padded, not so many at a time that it matters."""
    length = part["length"]
    if not ((length > 0) & (length <= limit)).all():
        raise ValueError(f"an episode has no step or more than {limit}")
    ends = np.cumsum(length)
    for first in range(0, len(length), FEW):
        here = slice(first, first + FEW)
        mask = np.arange(length[here].max()) < length[here, None]
        rows = slice(ends[first] - length[first], ends[here][-1])
        columns = {}
        for key, value in part.items():
            kind, _, name = key.partition(".")
            if kind == "episode":
                columns[name] = value[here]
            elif kind == "step":
                columns[name] = np.zeros((*mask.shape, *value.shape[1:]), value.dtype)
                columns[name][mask] = value[rows]
        yield episodes_of(columns, None)


def by_length(episodes: Episodes, parts: int) -> list[Episodes]:
    """The episodes in ``parts`` records of like length, each cut to its longest."""
    length = episodes.length
    return [episodes_of({name: value[rows, :length[rows].max()] if value.ndim > 1 else value[rows]
                         for name, value in _flat(episodes).items()}, episodes.spec)
            for rows in np.array_split(np.argsort(length, kind="stable"), min(parts, len(episodes)))]


def join(parts: Sequence[Episodes]) -> Episodes:
    """One record of several with the same columns, padded to the longest with zeros."""
    steps = max(part.mask.shape[1] for part in parts)
    flat = [_flat(part) for part in parts]
    return episodes_of({name: np.concatenate([_pad(columns[name], steps) for columns in flat]) for name in flat[0]},
                       parts[0].spec)


def _pad(column: np.ndarray, steps: int) -> np.ndarray:
    if column.ndim == 1:
        return column
    return np.pad(column, [(0, 0), (0, steps - column.shape[1]), *[(0, 0)] * (column.ndim - 2)])


def _take(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return torch.from_numpy(column).index_select(0, torch.from_numpy(rows)).numpy()  # 10 times numpy's speed here


def _flat(episodes: Episodes) -> dict[str, np.ndarray]:
    """All columns of episodes and their labels by name."""
    return columns_of(episodes) | columns_of(episodes.labels)
