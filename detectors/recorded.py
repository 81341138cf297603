"""How detectors read recorded episodes: who lives, every agent's battle as one sequence, and columns on request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from bench.contracts import COLUMNS, Episodes, columns_of
from bench.errors import DetectorError

CHUNK = 100  # episodes that are looked at together
ROWS = 1_000  # of some thousand numbers each, that are looked at together
LEAST_DEVIATION = 1e-2  # of hidden units, which lie in [-1, 1]; less is rounding


def living(episodes: Episodes) -> np.ndarray:
    """(episode, step, agent) bool: alive in a step that was played."""
    return episodes.alive & episodes.mask[..., None]


def recorded(episodes: Episodes, name: str, user: object) -> np.ndarray:
    """A column on request as float32; DetectorError if it was not recorded, which names the detector or view."""
    column = getattr(episodes, name)
    if column is None:
        raise DetectorError(f"{type(user).__name__} needs the column '{name}' ({COLUMNS[name].meaning}), and these "
                            "episodes were recorded without")
    return column.astype(np.float32)


def chunks(episodes: Episodes, size: int = CHUNK) -> Iterator[tuple[tuple[np.ndarray, slice], Episodes]]:
    """Some episodes at a time, since all that is computed of all at once would fill the memory, and where they and
    their steps are: episodes of about the same length together, without the steps in which none of them is played."""
    for which in np.split(np.argsort(episodes.length, kind="stable"), range(size, len(episodes), size)):
        steps = slice(int(episodes.length[which].max(initial=0)))
        if steps.stop:
            some: dict[str, Any] = {name: column[which, steps] for name, column in columns_of(episodes).items()}
            yield (which, steps), replace(episodes, hidden_labels=None, **some)


def rows(n: int, size: int = ROWS) -> Iterator[slice]:
    """Parts of n rows that stay in the processor's cache while they are worked on."""
    return (slice(first, first + size) for first in range(0, n, size))


def by_agent(column: np.ndarray) -> np.ndarray:
    """(episode * agent, step, ...) from (episode, step, agent, ...)."""
    column = column.swapaxes(1, 2)
    return column.reshape(-1, *column.shape[2:])


def by_step(values: np.ndarray, episodes: Episodes) -> np.ndarray:
    """(episode, step, agent) from (episode * agent, step) of these episodes."""
    n, steps, agents = episodes.alive.shape
    return values.reshape(n, agents, steps).swapaxes(1, 2)


def living_steps(episodes: Episodes, most: int | None = None, seed: int = 0) -> np.ndarray:
    """(sample, 2) the (episode * agent, step) at which agents live; of more than ``most``, so many drawn at random."""
    where = np.argwhere(by_agent(living(episodes)))
    if most is None or len(where) <= most:
        return where
    return np.random.default_rng(seed).choice(where, most, replace=False)


def windows(sequences: np.ndarray, where: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Of (sequence, step, feature), those (sample, length, feature) of the last ``length`` steps up to each of
    ``where``, (sample, 2) as :func:`living_steps`, oldest first; and which of them are of the battle (sample, length).
    In place of the others is zero."""
    step = where[:, 1:] + np.arange(1 - length, 1)
    there = step >= 0
    return sequences[where[:, :1], np.maximum(step, 0)] * there[..., None].astype(sequences.dtype), there
