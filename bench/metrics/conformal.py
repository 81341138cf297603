"""How strange a battle is for the team that plays it: the measure by which two teams' battles are compared.

Scores of detectors that were fitted to different teams are on different scales. Their ranks among each team's own
battles are not (conformal p-values; Vovk et al. 2005), and an attacker gains nothing by shifting a team's scores.
"""

from __future__ import annotations

import numpy as np

from bench.contracts import Estimate
from bench.metrics.detection import RESAMPLES, roc_area


def strangeness(scores: np.ndarray, mask: np.ndarray, start: np.ndarray, stop: np.ndarray,
                own: np.ndarray, own_mask: np.ndarray) -> np.ndarray:
    """(1 + RESAMPLES, battle, 2) in [-1, 0]: minus the conformal p-value of each battle among others of the same team
    at the same steps; then the same among resamples of those, the same resamples for all teams. It is anywhere between
    the two ends: as far apart as others have the same score (randomised p-values).

    A battle's score is the greatest of the steps [start, stop) that were played. It is compared with that of each of
    the others over the same steps, as far as both battles last: a battle is not stranger for being longer. Where a
    battle has no step in its window, or none of the others has, NaN.

    Parameters
    ----------
    scores, mask : (battle, step) of the battles in question, and the steps that were played.
    start, stop : (battle,) their windows; what lies outside the battle is left out.
    own, own_mask : (other, step) of the team's battles without the trigger.
    """
    weights = _draws(len(own), 0).astype(np.float32)
    found = np.full((len(weights), len(scores), 2), np.nan, np.float32)
    start = np.clip(start, 0, scores.shape[1])
    for first, last in set(zip(start.tolist(), stop.tolist(), strict=True)):
        here = np.nonzero((start == first) & (stop == last))[0]
        greatest, lasts = _running(scores[here], mask[here], first, last)
        theirs, theirs_last = _running(own, own_mask, first, last)
        there = theirs_last > 0
        if not there.any() or not (lasts > 0).any():
            continue
        both = np.minimum(lasts[:, None], theirs_last[there]) - 1  # the last step that both have
        one = np.take_along_axis(greatest, np.maximum(both, 0), 1)
        other = theirs[there][np.arange(there.sum()), both]
        n = weights[:, there].sum(1, keepdims=True) + 1
        above, as_high = (weights[:, there] @ side.T.astype(np.float32) for side in (other > one, other >= one))
        ends = np.stack([-(as_high + 1) / n, -above / n], -1)
        found[:, here] = np.where((lasts > 0)[:, None], ends, np.nan)
    return found


def _running(scores: np.ndarray, mask: np.ndarray, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """(battle, step) the greatest score so far in a window, and (battle,) how many of its steps were played."""
    part = slice(first, max(last, first))
    return np.maximum.accumulate(scores[:, part], 1), mask[:, part].sum(1)


def detection(clean: np.ndarray, attacked: np.ndarray) -> Estimate:
    """How well strangeness tells an attacked team from the clean one in the same battles: its AUROC, chance .5, with a
    95 % bootstrap interval (percentile, fixed seed) over those battles and over the ones that they are ranked among.

    Parameters
    ----------
    clean, attacked : (1 + RESAMPLES, battle, 2) the :func:`strangeness` of the same battles, both with the trigger,
        played by either team; those in which either has none do not count.
    """
    both = ~(np.isnan(clean).any((0, 2)) | np.isnan(attacked).any((0, 2)))
    n = int(both.sum())
    if n < 2:
        return Estimate(None)
    rng = np.random.default_rng(1)
    draws, sides = rng.integers(n, size=(RESAMPLES, n)), []
    for ends in (clean[1:, both], attacked[1:, both]):
        drawn = np.take_along_axis(ends, draws[..., None], 1)
        sides.append(drawn[..., 0] + rng.random((RESAMPLES, n)) * (drawn[..., 1] - drawn[..., 0]))
    value = _expected_area(clean[0, both].astype(float), attacked[0, both].astype(float))
    return Estimate(value, *map(float, np.percentile(roc_area(*sides), [2.5, 97.5])))


def visibility(shown: np.ndarray) -> Estimate:
    """How well scores tell battles with the trigger from a team's own without it, over the same steps as far as both
    last: AUROC, ties counting half, chance .5, with a 95 % bootstrap interval (percentile, fixed seed) over both.

    ``shown`` (1 + RESAMPLES, battle, 2) is the :func:`strangeness` of the battles with the trigger; those without any
    do not count.
    """
    there = shown[:, ~np.isnan(shown).any((0, 2))]
    n = there.shape[1]
    if n < 2:
        return Estimate(None)
    below = 1 + there.mean(-1)
    drawn = np.take_along_axis(below[1:], np.random.default_rng(1).integers(n, size=(RESAMPLES, n)), 1).mean(1)
    return Estimate(float(below[0].mean()), *map(float, np.percentile(drawn, [2.5, 97.5])))


def _expected_area(negative: np.ndarray, positive: np.ndarray) -> float:
    """The chance that a value drawn evenly from a positive's interval (battle, 2) is above one from a negative's."""
    low, high = (negative[:, None, end] for end in (0, 1))

    def area_below(x: np.ndarray) -> np.ndarray:
        """(negative, positive) the integral up to x of the chance that the negative's value is below."""
        inside = np.clip(x, low, high) - low
        return inside**2 / (2 * (high - low)) + np.maximum(x - high, 0)

    width = positive[:, 1] - positive[:, 0]
    return float(((area_below(positive[:, 1]) - area_below(positive[:, 0])) / width).mean())


def _draws(n: int, seed: int) -> np.ndarray:
    """(1 + RESAMPLES, n) how often each of n is drawn: once, and then at random with replacement."""
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / max(n, 1)), size=RESAMPLES)
    return np.concatenate([np.ones((1, n), int), drawn])
