"""What a team does: shares of its kinds of action, how far it acts on one outsider, and if battles differ in it."""

from __future__ import annotations

import numpy as np
from scipy.stats import bootstrap, wilcoxon

from bench.contracts import NOBODY, EnvSpec, Estimate

RESAMPLES = 1_000


def action_shares(action: np.ndarray, acting: np.ndarray, spec: EnvSpec) -> np.ndarray:
    """(episode, kind) the share of each of ``spec.action_kinds`` among the actions (episode, step, agent) where
    ``acting``.

    NaN in episodes in which nobody acts.
    """
    kind = spec.kind_of_action[action]
    counts = np.stack([((kind == k) & acting).sum((1, 2)) for k in range(len(spec.action_kinds))], 1)
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(1, keepdims=True)


def focus_fire(action: np.ndarray, acting: np.ndarray, spec: EnvSpec) -> np.ndarray:
    """(episode,) how far agents act on the same outsider: of those that act on any, the share that acts on the step's
    most chosen one, averaged over the steps in which at least two do. NaN where there is no such step."""
    shooting = acting & (spec.target_of_action[action] != NOBODY)
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
