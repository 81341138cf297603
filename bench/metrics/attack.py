"""How well an attack works: win rates, attack success rate, clean performance variance rate."""

from __future__ import annotations

import numpy as np
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from bench.contracts import Estimate


def rate(hits: np.ndarray) -> Estimate:
    """The share of true values with Wilson's 95 % interval; None of an empty array."""
    n = len(hits)
    if n == 0:
        return Estimate(None)
    low, high = proportion_confint(int(np.sum(hits)), n, method="wilson")
    return Estimate(float(np.mean(hits)), float(low), float(high))


def loss_rate(before: np.ndarray, after: np.ndarray) -> Estimate:
    """(W_before - W_after) / W_before of two independent samples of won battles, with a 95 % interval.

    With the clean team before and the triggered team after, it is the attack success rate (ASR); with the backdoored
    team in untriggered battles after, the clean performance variance rate (CPVR). Range (-inf, 1]; 0 means no loss,
    negative a gain. The interval is that of the logarithm of the ratio of two rates, adjusted for small counts (Walter
    1975). None where the team never won before, for then there is nothing to lose, and where nothing comes after.
    """
    won_before, won_after = int(np.sum(before)), int(np.sum(after))
    if won_before == 0 or not len(after):
        return Estimate(None)
    ratio = np.mean(after) / np.mean(before)
    low, high = confint_proportions_2indep(won_after, len(after), won_before, len(before), compare="ratio",
                                           method="log-adjusted")
    return Estimate(float(1 - ratio), float(1 - high), float(1 - low) if won_after else 1.0)


def poisoned_share(trigger: np.ndarray, attack: np.ndarray, mask: np.ndarray) -> float:
    """The share of the played steps, ``mask``, in which a trigger is under way or an attack period lasts; all are
    (episode, step) bool. 0 where nothing was played."""
    return float(((trigger | attack) & mask).sum() / max(mask.sum(), 1))
