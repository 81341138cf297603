"""How well a detector works: ranking, alarms at a set false-alarm rate, delay."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import bootstrap, quantile_test, rankdata
from sklearn.metrics import precision_recall_curve, roc_curve
from statsmodels.stats.proportion import proportion_confint

from bench.contracts import NEVER, Estimate

RESAMPLES = 300
POINTS = 60  # of a curve that is kept for pictures
THRESHOLDS = 250  # at which VUS-PR looks, if there are more distinct scores


def window_score(scores: np.ndarray, mask: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """(episode,) the greatest score (episode, step) among played steps in [start, stop); NaN where there is none."""
    step = np.arange(scores.shape[1])
    inside = mask & (step >= start[:, None]) & (step < stop[:, None])
    greatest = np.where(inside, scores, -np.inf).max(1, initial=-np.inf)
    return np.where(inside.any(1), greatest, np.nan)


def auroc(negative: np.ndarray, positive: np.ndarray) -> Estimate:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half. Chance .5."""
    return _ranking(negative, positive, roc_area)


def auprc(negative: np.ndarray, positive: np.ndarray) -> Estimate:
    """Average precision, ties taken together. Chance: the base rate, len(positive) / len(both)."""
    return _ranking(negative, positive, _average_precision)


def _ranking(negative, positive, statistic) -> Estimate:
    """A statistic of two samples with a 95 % bootstrap interval over episodes (percentile, fixed seed)."""
    if min(len(negative), len(positive)) < 2:
        return Estimate(None)
    value = float(statistic(negative, positive))
    interval = bootstrap((negative, positive), statistic, n_resamples=RESAMPLES, vectorized=True, batch=50,
                         method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))


def roc_area(negative: np.ndarray, positive: np.ndarray, axis: int = -1) -> np.ndarray:
    n, p = negative.shape[axis], positive.shape[axis]
    ranks = rankdata(np.concatenate([negative, positive], axis), axis=axis)
    wins = np.take(ranks, range(n, n + p), axis).sum(axis) - p * (p + 1) / 2
    return wins / (n * p)


def _average_precision(negative: np.ndarray, positive: np.ndarray, axis: int = -1) -> np.ndarray:
    """Sum over the distinct scores of (gain in recall) x (precision at that score); samples lie along the last axis."""
    assert axis in (-1, negative.ndim - 1)
    scores = np.concatenate([negative, positive], -1)
    label = np.zeros(scores.shape)
    label[..., negative.shape[-1]:] = 1
    order = np.argsort(-scores, axis=-1, kind="stable")
    scores, label = np.take_along_axis(scores, order, -1), np.take_along_axis(label, order, -1)
    precision = label.cumsum(-1) / np.arange(1, scores.shape[-1] + 1)
    last = np.concatenate([scores[..., 1:] != scores[..., :-1], np.ones((*scores.shape[:-1], 1), bool)], -1)
    # Every sample gets the precision at the last sample of its own score.
    index = np.where(last, np.arange(scores.shape[-1]), scores.shape[-1])
    index = np.minimum.accumulate(index[..., ::-1], -1)[..., ::-1]
    return (label * np.take_along_axis(precision, index, -1)).sum(-1) / positive.shape[-1]


def roc(negative: np.ndarray, positive: np.ndarray) -> list[list[float]]:
    """False-alarm rates and detection rates at every threshold, from (0, 0) to (1, 1), thinned; the curve of
    :func:`auroc`. Two empty lists where it would have no value."""
    if min(len(negative), len(positive)) < 2:
        return [[], []]
    false, true, _ = roc_curve(*_labelled(negative, positive))
    return thinned(false, true)


def precision_recall(negative: np.ndarray, positive: np.ndarray) -> list[list[float]]:
    """Recalls, ascending to 1, and the precision that holds up to each from the one before, thinned.

    Before it is thinned, the area under these steps is :func:`auprc`. Two empty lists where that would have no value.
    """
    if min(len(negative), len(positive)) < 2:
        return [[], []]
    precision, recall, _ = precision_recall_curve(*_labelled(negative, positive))
    return thinned(recall[-2::-1], precision[-2::-1])  # the last point, (0, 1), is not of any threshold


def _labelled(negative: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores, as scikit-learn takes them."""
    return np.repeat([0, 1], [len(negative), len(positive)]), np.concatenate([negative, positive])


def thinned(x: np.ndarray, y: np.ndarray, points: int = POINTS) -> list[list[float]]:
    """At most ``points`` points of a curve, about evenly spaced along it with both axes at one scale; its ends stay.

    Values are rounded to four digits after the point.
    """
    if len(x) > points:
        pace = sum(np.abs(np.diff(axis)) / (np.ptp(axis) or 1) for axis in (x, y))
        way = np.append(0, np.cumsum(pace))
        keep = np.unique(np.append(np.searchsorted(way, np.linspace(0, way[-1], points)[:-1]), len(x) - 1))
        x, y = x[keep], y[keep]
    return [np.round(axis, 4).tolist() for axis in (x, y)]


def attribution(scores: np.ndarray, agents: Sequence[int]) -> tuple[Estimate, float | None]:
    """How often one of some agents' scores ranks first in its episode, ties shared, with Wilson's interval; and chance.

    ``scores`` (episode, agent), NaN for agents that were not there; episodes without any of the agents in question do
    not count. Chance is the mean over the episodes of these agents' share of all that were there.
    """
    there, asked = ~np.isnan(scores), list(agents)
    some = there[:, asked].any(1)
    scores, there = scores[some], there[some]
    if not len(scores):
        return Estimate(None), None
    first = there & (scores == np.nanmax(scores, 1, keepdims=True))
    hits = first[:, asked].sum(1) / first.sum(1)
    low, high = proportion_confint(float(hits.sum()), len(hits), method="wilson")
    return Estimate(float(hits.mean()), float(low), float(high)), float((there[:, asked].sum(1) / there.sum(1)).mean())


def vus_pr(scores: np.ndarray, mask: np.ndarray, start: np.ndarray, stop: np.ndarray, window: int) -> Estimate:
    """Volume under the surface of precision and recall over thresholds and buffers of 0 to ``window`` steps.

    Paparrizos et al., "Volume under the surface", VLDB 2022: around each anomaly, steps ``start`` to ``stop`` of an
    episode (episode,; none where ``start`` is NEVER), a buffer of half its length a side counts in part,
    sqrt(1 - distance / length); recall is multiplied by the share of the anomalies of which any step is found. As in
    the authors' implementation, thresholds are ``THRESHOLDS`` of the scores, evenly spread in rank, and a step of a
    buffer that is not flagged is not missed, so that perfect scores give 1.

    Episodes (episode, step), of which the steps of ``mask`` count, are one series; buffers end where they do. With
    buffers of 0 steps alone and a single anomaly it is the area under the precision-recall curve. Range (0, 1], chance
    is about the share of anomalous steps. 95 % bootstrap interval over episodes (percentile, fixed seed). None without
    an anomaly.
    """
    episode, step = np.nonzero(mask)
    values = scores[episode, step]
    begin, end = start[episode], stop[episode]
    distance = np.where(begin == NEVER, np.inf, np.maximum(np.maximum(begin - step, step - end + 1), 0))
    if not (distance == 0).any():
        return Estimate(None)
    limits = np.unique(np.sort(values)[np.linspace(0, len(values) - 1, min(THRESHOLDS, len(values))).astype(int)])[::-1]
    found_at = np.searchsorted(-limits, -values)  # the first threshold that a score reaches

    def flagged(weight: np.ndarray) -> np.ndarray:
        """(episode, threshold) the total weight of the steps whose score reaches the threshold."""
        cells = episode * len(limits) + found_at
        total = np.bincount(cells, weight, minlength=len(mask) * len(limits))
        return total.reshape(len(mask), -1).cumsum(1)

    exact = flagged(distance == 0).astype(np.float32)
    anomalous = exact[:, -1:] > 0
    draws = np.random.default_rng(0).multinomial(len(mask), np.full(len(mask), 1 / len(mask)), size=RESAMPLES)
    draws = np.concatenate([np.ones((1, len(mask)), int), draws]).astype(np.float32)  # the first is the sample itself
    marked = draws @ flagged(np.ones(len(step))).astype(np.float32)
    found, anomalies = draws @ exact, draws @ exact[:, -1:]
    areas = np.zeros(len(draws))
    for length in range(window + 1):
        near = distance <= length // 2
        weight = np.sqrt(np.where(near, 1 - distance / max(length, 1), 0))
        hits = flagged(weight)
        true = draws @ hits.astype(np.float32)
        positives = anomalies + (true - found) / 2  # all anomalous steps, and half of the flagged buffer
        present = draws @ ((hits > 0) & anomalous).astype(np.float32)
        precision = np.divide(true, marked, out=np.zeros_like(true), where=marked > 0)
        with np.errstate(invalid="ignore"):  # a resample may hold no anomaly
            recall = np.minimum(true / positives, 1) * present / present[:, -1:]
        areas += (np.diff(recall, axis=1, prepend=0) * precision).sum(1) / (window + 1)
    areas = np.minimum(areas, 1)  # rounding
    low, high = np.nanpercentile(areas[1:], [2.5, 97.5])
    return Estimate(float(areas[0]), float(low), float(high))


def threshold(calibration: np.ndarray, false_alarms: float) -> float:
    """The score above which to raise an alarm, from normal episodes alone.

    The conformal quantile: a new normal episode exceeds it with probability at most ``false_alarms`` (Vovk et al.
    2005). Infinite where the calibration set is too small to promise that.
    """
    k = math.ceil((len(calibration) + 1) * (1 - false_alarms))
    return float(np.sort(calibration)[k - 1]) if 0 < k <= len(calibration) else math.inf


def first_alarm(scores: np.ndarray, mask: np.ndarray, limit: float, start: np.ndarray) -> np.ndarray:
    """(episode,) the first played step from ``start`` on whose score exceeds ``limit``, or NEVER."""
    alarm = (scores > limit) & mask & (np.arange(scores.shape[1]) >= start[:, None])
    return np.where(alarm.any(1), alarm.argmax(1), NEVER)


def median_delay(alarm: np.ndarray, completion: np.ndarray) -> Estimate:
    """Median steps from the completion of the trigger to the first alarm, with an exact interval by order statistics
    (binomial).

    A battle that ends without an alarm is never caught: its end competes with the alarm, and does not leave open what
    would have come later. Negative where alarms come while the trigger is still being shown. None where fewer than half
    of the battles are caught; a bound is None for the same reason.
    """
    delay = _delay(alarm, completion)
    if not len(delay) or not np.isfinite(median := np.quantile(delay, 0.5, method="inverted_cdf")):
        return Estimate(None)
    sure = quantile_test(delay, q=median, p=0.5).confidence_interval(0.95)
    bounds = [median if np.isnan(t) else t for t in sure]  # nan: too few battles for a bound
    return Estimate(*(float(t) if np.isfinite(t) else None for t in (median, *bounds)))


def delay_curve(alarm: np.ndarray, completion: np.ndarray) -> list[list[float]]:
    """Steps from the completion of the trigger, and the share of battles with an alarm by then (the cumulative
    incidence of alarms; battles' ends compete with them). Two empty lists where no battle has an alarm."""
    delay = _delay(alarm, completion)
    times, counts = np.unique(delay[np.isfinite(delay)], return_counts=True)
    return thinned(times, counts.cumsum() / len(delay)) if len(times) else [[], []]


def _delay(alarm: np.ndarray, completion: np.ndarray) -> np.ndarray:
    """(episode,) steps from completion to the alarm, infinite where there is none."""
    return np.where(alarm != NEVER, alarm - completion, np.inf)
