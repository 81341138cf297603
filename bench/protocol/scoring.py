"""A fitted detector's scores of battles, and whether they are causal and of each battle alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.contracts import Episodes, differing
from bench.errors import DetectorError
from bench.marl.pages import zeros
from bench.protocol.host import Fitted
from bench.protocol.seeds import PUBLIC

CHUNK = 200  # episodes that a detector is shown at a time
CHECKED, CUT = 16, 0.75  # of those, how many are scored again, and the share of them that is cut at a random step


def score_all(fitted: Fitted, parts: list[Episodes], shuffle_seed: int = PUBLIC["shuffle"]) -> list[np.ndarray]:
    """The detector's scores of every part, (episode, step) or (episode, step, agent), -inf for the dead.

    The parts are shuffled together and shown some at a time, so that neither the order nor the shape of what a detector
    is given tells it which battles are which. One copy of the detector scores them.
    Some battles of each time are scored again by fresh copies, most of them cut at random steps, as many at a time as
    the others, before the others or after them: what was scored before a cut must stay.

    Raises DetectorError if the detector fails, a score depends on later steps or on other battles, or scores are of
    agents at one time and of whole steps at another.
    """
    order = np.random.default_rng(shuffle_seed).permutation(
        np.concatenate([np.stack([np.full(len(part), k), np.arange(len(part))], 1) for k, part in enumerate(parts)]))
    batches = [order[first: first + CHUNK] for first in range(0, len(order), CHUNK)]
    rng = np.random.default_rng()  # which battles are checked, where and when must not be known beforehand
    checks = [_Check(parts, some, rng) for some in _checked(batches, rng)]
    early = rng.random(len(checks)) < 0.5
    for check in np.array(checks, object)[early]:
        check.ask(fitted)
    scores: list[np.ndarray] = []
    with fitted.scorer() as score:
        for some in batches:
            found = score(_together(parts, some))
            unplayed = 0.0 if found.ndim == 2 else -np.inf
            scores = scores or [np.full((*_size(parts, k), *found.shape[2:]), unplayed) for k in range(len(parts))]
            _require_same_kind(fitted.name, found, scores[0])
            for k, here in _by_part(some):
                scores[k][some[here, 1], : found.shape[1]] = found[here]
    for check in np.array(checks, object)[~early]:
        check.ask(fitted)
    for check in checks:
        check.compare(fitted.name, scores)
    return [found[:, : part.mask.shape[1]] for found, part in zip(scores, parts, strict=True)]


class _Check:
    """Battles, named by (part, number), some of them cut at random steps, and what a fresh copy makes of them."""

    def __init__(self, parts: list[Episodes], some: np.ndarray, rng: np.random.Generator) -> None:
        self._parts, self._some = parts, some
        self._whole = rng.random(len(some)) >= CUT
        self._share = rng.random(len(some))  # of a battle that is cut, what is left of its steps
        self._kept: np.ndarray = np.zeros(0)
        self._scores: np.ndarray = np.zeros(0)

    def ask(self, fitted: Fitted) -> None:
        """Cut the battles, and keep a fresh copy's scores of them; not the battles themselves, which are large."""
        episodes = _together(self._parts, self._some)
        end = 1 + (self._share * (np.maximum(episodes.length, 2) - 1)).astype(int)
        kept = self._whole[:, None] | (np.arange(episodes.mask.shape[1]) < end[:, None])
        self._kept, gone = kept & episodes.mask, ~kept & episodes.mask  # what was not played is zero
        for column in vars(episodes).values():
            if isinstance(column, np.ndarray):
                column[gone] = 0
        with fitted.scorer() as score:
            self._scores = score(episodes)

    def compare(self, name: str, scores: list[np.ndarray]) -> None:
        """With the scores of the whole battles, a part each. Raises DetectorError if they differ."""
        _require_same_kind(name, self._scores, scores[0])
        whole = np.empty_like(self._scores)
        for k, here in _by_part(self._some):
            whole[here] = scores[k][self._some[here, 1], : whole.shape[1]]
        kept = np.broadcast_to(self._kept.reshape(*self._kept.shape, *[1] * (whole.ndim - 2)), whole.shape)
        changed = differing(whole, self._scores, kept)
        if changed[self._whole].any():
            raise DetectorError(f"{name}.score gives the same battle other scores when it is asked again beside other "
                                "battles; a score may depend on its own battle alone, and not on chance")
        if changed.any():
            raise DetectorError(f"{name}.score is not causal: {int(changed.sum()):,} scores change when later steps "
                                "are taken away; a score may depend on its own step and earlier ones alone")


def _checked(batches: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Some battles of every batch, put together to batches as large as those at most."""
    some = [rng.permutation(batch)[:CHECKED] for batch in batches]
    together = rng.permutation(np.concatenate(some)) if some else np.zeros((0, 2), int)
    return [part for part in np.array_split(together, -(-len(together) // CHUNK) or 1) if len(part)]


def _require_same_kind(name: str, scores: np.ndarray, others: np.ndarray) -> None:
    if scores.ndim != others.ndim:
        raise DetectorError(f"{name}.score returned scores of agents at one time and of whole steps at another")


def _size(parts: list[Episodes], k: int) -> tuple[int, int]:
    """Episodes of a part, and the steps that all are padded to."""
    return len(parts[k]), max(part.mask.shape[1] for part in parts)


def _by_part(some: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The parts that battles (battle, 2) come from, and which come from them (battle,) bool."""
    for k in np.unique(some[:, 0]):
        yield int(k), some[:, 0] == k


def _together(parts: list[Episodes], some: np.ndarray) -> Episodes:
    """Battles, named by (part, number), as one record without labels, padded with zeros to the longest of them."""
    lengths = np.concatenate([parts[k].length[some[here, 1]] for k, here in _by_part(some)] or [[0]])
    steps = int(lengths.max())
    columns = {name: zeros((len(some), steps, *column.shape[2:]), column.dtype)
               for name, column in vars(parts[0]).items() if isinstance(column, np.ndarray)}
    for k, here in _by_part(some):
        row, step = np.nonzero(parts[k].mask[some[here, 1], :steps])
        place, source = np.nonzero(here)[0][row], some[here, 1][row]
        for name, column in columns.items():  # the padding is left alone: there is more of it than there are steps
            column[place, step] = getattr(parts[k], name)[source, step]
    return Episodes(**columns, spec=parts[0].spec)  # type: ignore[arg-type]
