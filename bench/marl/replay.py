"""Episode replay: the newest episodes, sampled uniformly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import torch

from bench.contracts import Episodes, Labels


class Replay:
    """A ring of at most ``capacity`` episodes of up to ``episode_limit`` steps.

    Memory is claimed as it is written: pages behind the end of short episodes are never touched.
    """

    def __init__(self, capacity: int, episode_limit: int) -> None:
        self.capacity, self.limit = capacity, episode_limit
        self.size = self._at = self.added = 0
        self._columns: dict[str, np.ndarray] = {}

    def add(self, episodes: Episodes) -> None:
        """Store episodes, over the oldest ones where the ring is full."""
        episodes = episodes[-self.capacity:]
        n, length = episodes.mask.shape
        if n == 0:
            return
        rows = (self._at + np.arange(n)) % self.capacity
        for name, value in _flat(episodes).items():
            if name not in self._columns:
                shape = (self.limit, *value.shape[2:]) if value.ndim > 1 else ()
                self._columns[name] = np.zeros((self.capacity, *shape), value.dtype)
            if value.ndim > 1:
                self._columns[name][rows, :length] = value
            else:
                self._columns[name][rows] = value
        for name in ("mask", "trigger"):
            self._columns[name][rows, length:] = False
        self._at = (self._at + n) % self.capacity
        self.added += n
        self.size = min(self.size + n, self.capacity)

    def newest(self, n: int) -> dict[str, np.ndarray]:
        """The columns of the ``n`` episodes that were added last, in their order, for a file."""
        rows = (self._at - n + np.arange(n)) % self.capacity
        length = int(self._columns["mask"][rows].sum(1).max(initial=0))
        return {name: value[rows, :length] if value.ndim > 1 else value[rows] for name, value in self._columns.items()}

    def refill(self, parts: Sequence[dict[str, np.ndarray]], added: int) -> None:
        """Fill an empty replay with what :meth:`newest` gave, each episode where it was after ``added`` ones."""
        self.added = added - sum(len(part["mask"]) for part in parts)
        self._at = self.added % self.capacity
        for part in parts:
            self.add(_record(part))

    def sample(self, n: int, rng: np.random.Generator) -> Episodes:
        """``n`` episodes drawn with replacement, cut to the longest of them."""
        rows = rng.integers(self.size, size=n)
        length = int(self._columns["mask"][rows].sum(1).max())
        return _record({name: _take(value[:, :length] if value.ndim > 1 else value, rows)
                        for name, value in self._columns.items()})


def by_length(episodes: Episodes, parts: int) -> list[Episodes]:
    """The episodes in ``parts`` records of like length, each cut to its longest."""
    length = episodes.length
    return [_record({name: value[rows, :length[rows].max()] if value.ndim > 1 else value[rows]
                     for name, value in _flat(episodes).items()})
            for rows in np.array_split(np.argsort(length, kind="stable"), min(parts, len(episodes)))]


def join(parts: Sequence[Episodes]) -> Episodes:
    """One record of several with the same columns, padded to the longest with zeros."""
    steps = max(part.mask.shape[1] for part in parts)
    flat = [_flat(part) for part in parts]
    return _record({name: np.concatenate([_pad(columns[name], steps) for columns in flat]) for name in flat[0]})


def _pad(column: np.ndarray, steps: int) -> np.ndarray:
    if column.ndim == 1:
        return column
    return np.pad(column, [(0, 0), (0, steps - column.shape[1]), *[(0, 0)] * (column.ndim - 2)])


def _record(columns: dict[str, np.ndarray]) -> Episodes:
    """Episodes with labels, from the columns of both."""
    names = {f.name for f in fields(Labels)}
    labels = Labels(**{name: value for name, value in columns.items() if name in names})
    return Episodes(**{name: value for name, value in columns.items() if name not in names}, hidden_labels=labels)


def _take(column: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return torch.from_numpy(column).index_select(0, torch.from_numpy(rows)).numpy()  # 10 times numpy's speed here


def _flat(episodes: Episodes) -> dict[str, np.ndarray]:
    """All columns of episodes and their labels by name."""
    out: dict[str, np.ndarray] = {}
    for record in (replace(episodes, hidden_labels=None), episodes.labels):
        out |= {f.name: getattr(record, f.name) for f in fields(record)
                if isinstance(getattr(record, f.name), np.ndarray)}
    return out
