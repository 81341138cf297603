"""What alarms cost: lost battles that they did not avert, and false alarms."""

from __future__ import annotations

import numpy as np


def least_loss(false_alarms: np.ndarray, detected: np.ndarray, harm: float, prices: np.ndarray) -> np.ndarray:
    """(price,) the least loss that a threshold of a detector can bring, in won battles that are lost: what is left of
    the attack in a battle under the trigger, and the price of a false alarm for every battle without it that raises
    one, if there are as many of the one as of the other.

    Never to raise an alarm costs ``harm``, always to raise one the price. An alarm is taken to undo the attack, so that
    this is the least; what alarms do undo, a response measures (``response=fallback``).

    Parameters
    ----------
    false_alarms, detected : (threshold,) rates of battles without the trigger and under it, a ROC curve.
    harm : the attack success rate; below 0, where an attack does no harm, it counts as 0.
    prices : (price,) of a false alarm, in won battles. Where a battle under the trigger is k times as rare as one
        without, a price stands for one k times as low.

    References
    ----------
    Drummond & Holte, "Cost curves: an improved method for visualizing classifier performance", Machine Learning 65,
    2006: the lower envelope over thresholds.
    """
    false, found = (np.append([0, 1], rates) for rates in (false_alarms, detected))  # never, and always
    return (max(harm, 0.0) * (1 - found)[:, None] + false[:, None] * prices).min(0)
