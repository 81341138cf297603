"""What a team does: shares of its kinds of action, focus fire, and whether two sets of battles differ in them."""

from __future__ import annotations

import numpy as np
from scipy.stats import bootstrap, wilcoxon

from bench.contracts import MOVES, Estimate

KINDS = (*MOVES, "attack")
RESAMPLES = 1_000


def action_shares(action: np.ndarray, acting: np.ndarray) -> np.ndarray:
    """(episode, kind) the share of each of ``KINDS`` among the actions (episode, step, agent) where ``acting``.

    NaN in episodes in which nobody acts.
    """
    kind = np.minimum(action, len(MOVES))
    counts = np.stack([((kind == k) & acting).sum((1, 2)) for k in range(len(KINDS))], 1)
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(1, keepdims=True)


def focus_fire(action: np.ndarray, acting: np.ndarray) -> np.ndarray:
    """(episode,) how far shots fall together: the share of the attacking agents that attack the step's most attacked
    enemy, averaged over the steps in which at least two attack. NaN where there is no such step."""
    shooting = acting & (action >= len(MOVES))
    targets = np.unique(action[shooting])
    on_target = np.stack([((action == t) & shooting).sum(-1) for t in targets] or [np.zeros(action.shape[:2])], -1)
    attackers = shooting.sum(-1)
    several = attackers >= 2
    share = np.where(several, on_target.max(-1) / np.maximum(attackers, 1), 0.0)
    with np.errstate(invalid="ignore"):
        return share.sum(1) / several.sum(1)


def mean(values: np.ndarray) -> Estimate:
    """The mean over battles with a 95 % bootstrap interval, NaN left out."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return Estimate(None)
    interval = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile",
                         rng=np.random.default_rng(0)).confidence_interval
    return Estimate(float(values.mean()), float(interval.low), float(interval.high))


def paired_p(one: np.ndarray, other: np.ndarray) -> float | None:
    """Two-sided p-value of Wilcoxon's signed-rank test that two values of the same battles do not differ.

    NaN pairs are left out; None where no pair is left that differs.
    """
    difference = (one - other)[np.isfinite(one) & np.isfinite(other)]
    return float(wilcoxon(difference).pvalue) if difference.any() else None
