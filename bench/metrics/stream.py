"""Alarms over a stream of battles that promise few false ones however long one watches, and whenever one looks."""

from __future__ import annotations

import numpy as np

from bench.contracts import StreamAlarms

SHARE = 0.1  # of the battles of a stream in which the trigger is shown, at random places
STREAMS = 20  # random orders of the same battles
RARE, OFTEN = 0.05, (0.1, 0.2, 0.4, 0.8)  # p-values up to RARE are bet to come in such a share of the battles instead
FALSE = 0.05  # share of the streams without the trigger that may ever raise an alarm


def stream_alarms(calibration: np.ndarray, normal: np.ndarray, triggered: np.ndarray) -> StreamAlarms | None:
    """Whether, and how soon, a conformal test martingale finds a stream of battles unlike the calibration battles.

    Each battle is ranked among the calibration battles and those of the stream before it (semi-online, smoothed
    conformal p-value). A martingale bets that p-values up to ``RARE`` come more often than that: it starts at 1, and
    if no battle differs from the calibration battles, the chance that it ever reaches 1 / ``FALSE`` is at most
    ``FALSE`` (Ville's inequality), whatever the detector. Reaching it is the alarm.

    Parameters
    ----------
    calibration, normal, triggered : (battle,) the score of each battle, the greatest of its steps. A stream is as long
        as ``normal``, in a random order; with the trigger, a ``SHARE`` of its battles is drawn from ``triggered``.

    Returns
    -------
    StreamAlarms over ``STREAMS`` streams; None where there is nothing to compare.

    References
    ----------
    Vovk, Gammerman & Shafer, "Algorithmic learning in a random world", 2nd ed., 2022, chapter 8: the simple jumper,
    with a step function as bet, as the package crepes
    has it.
    """
    from crepes.martingales import SimpleJumper, StepBettingFunction

    if not (len(calibration) and len(normal) and len(triggered)):
        return None
    rng, martingale = np.random.default_rng(0), SimpleJumper(bf=StepBettingFunction(A=RARE, Gs=[RARE, *OFTEN]))
    shown = min(max(1, round(SHARE * len(normal))), len(triggered))
    first: dict[bool, list[int]] = {False: [], True: []}  # the battle that raises the alarm, len(normal) if none does
    for _ in range(STREAMS):
        quiet = rng.permutation(normal)
        attacked = quiet.copy()
        attacked[rng.choice(len(normal), shown, replace=False)] = rng.choice(triggered, shown, replace=False)
        for with_trigger, stream in ((False, quiet), (True, attacked)):
            first[with_trigger].append(martingale.apply(p_values(calibration, stream, rng), c=1 / FALSE))
    found, soon = {which: np.array(at) < len(normal) for which, at in first.items()}, float(np.median(first[True])) + 1
    return StreamAlarms(alarms=float(found[True].mean()), false_alarms=float(found[False].mean()),
                        battles=soon if soon <= len(normal) else None)


def p_values(calibration: np.ndarray, stream: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(battle,) in [0, 1]: the share of the calibration battles, those of the stream before it and itself that score
    higher, ties in a random part: uniform and independent if all are alike."""
    n, before = len(stream), np.tri(len(stream), k=-1, dtype=bool)
    higher = (before & (stream > stream[:, None])).sum(1)
    as_high = (before & (stream >= stream[:, None])).sum(1)
    ordered = np.sort(calibration)
    higher = higher + len(ordered) - np.searchsorted(ordered, stream, side="right")
    as_high = as_high + len(ordered) - np.searchsorted(ordered, stream, side="left")
    return (higher + rng.random(n) * (as_high - higher + 1)) / (len(ordered) + np.arange(1, n + 1))
