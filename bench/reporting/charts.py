"""A row's curves as small charts: the geometry that ``templates/charts.html`` draws, with texts for who cannot see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.contracts import Curves, Timeline
from bench.metrics.cost import least_loss

WIDTH, HEIGHT = 240, 110  # of the plot, in the SVG's units
PHASES = {"before": "before onset", "after": "after onset"}
GREATEST = 1e300  # scores beyond are drawn there: the difference of two must be a number
THRESHOLDS = (1, 5)  # % false alarms a battle
PRICES = np.linspace(0, 1, 41)  # of a false alarm, in won battles


class Dot(NamedTuple):
    phase: str
    percent: int
    x: float
    y: float
    text: str


class Band(NamedTuple):
    what: str  # "trigger" or "attack"
    x: float
    width: float


@dataclass(frozen=True)
class Chart:
    """A chart in the SVG's units, y downwards."""

    title: str
    label: str  # what it shows, in words
    x_ends: tuple[str, str]
    y_ends: tuple[str, str]  # at the bottom, at the top
    x_name: str
    y_name: str
    lines: dict[str, str]  # what a line is ("before", "after", "scores") -> an SVG path
    dots: list[Dot] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    guides: list[str] = field(default_factory=list)  # paths of chance levels and thresholds


def charts(row: Mapping[str, Any], curves: Curves) -> list[Chart]:
    """The charts of a row of the leaderboard: ROC, precision and recall, cost, delay, and battles' scores; those
    without points are left out."""
    found = [_roc(row, curves), _precision_recall(row, curves), _cost(row, curves), _delay(row, curves),
             *_timelines(curves)]
    return [chart for chart in found if chart.lines]


def profiles(shares: pd.DataFrame) -> Chart:
    """The chart of :func:`bench.leaderboard.ranking.profile`, a line a detector."""
    low, high = float(shares.index[0]), float(shares.index[-1])
    x = (WIDTH * (shares.index.to_numpy(float) - low) / (high - low)).tolist()
    lines, words = {}, []
    for number, name in enumerate(shares):
        lines[f"profile-{number}"] = _line(x, shares[name].tolist())
        words.append(f"{name} {shares[name].iloc[np.argmin(np.abs(shares.index - 0.7))]:.0%}")
    return Chart("", f"Share of the teams with an AUROC of at least so much; of .7: {', '.join(words)}",
                 (f"{low:.1f}", f"{high:.1f}"), ("0", "1"), "AUROC", "share of teams", lines,
                 guides=[f"M{_short(WIDTH * (0.5 - low) / (high - low))} {HEIGHT}V0"])


def _roc(row: Mapping[str, Any], curves: Curves) -> Chart:
    points, words = [], []
    for phase, when in PHASES.items():
        words.append(f"{when} AUROC {_two(row, f'{phase}_auroc')}")
        for percent in THRESHOLDS:
            caught, false = (_known(row, f"{phase}_{rate}_at_{percent}fpr") for rate in ("tpr", "false_alarms"))
            if caught is not None and false is not None:
                text = f"{when}, {percent} % threshold: {caught:.1%} of triggered and {false:.1%} of normal battles " \
                       "raise an alarm"
                points.append(_dot(phase, percent, false, caught, text))
                words.append(text)
    return Chart("ROC", f"ROC curve: {'; '.join(words)}", ("0", "1"), ("0", "1"), "false-alarm rate", "detection rate",
                 _paths(curves.roc), points, guides=[f"M0 {HEIGHT}L{WIDTH} 0"])


def _precision_recall(row: Mapping[str, Any], curves: Curves) -> Chart:
    points, words = [], []
    guides: list[str] = []
    for phase, when in PHASES.items():
        base = _known(row, f"{phase}_base_rate")
        words.append(f"{when} AUPRC {_two(row, f'{phase}_auprc')}, chance {_two(row, f'{phase}_base_rate')}")
        if base is not None and not guides:
            guides.append(f"M0 {_y(base)}H{WIDTH}")
        for percent in THRESHOLDS:
            caught, false = (_known(row, f"{phase}_{rate}_at_{percent}fpr") for rate in ("tpr", "false_alarms"))
            if base is None or caught is None or false is None or not caught + false:
                continue
            precision = caught * base / (caught * base + false * (1 - base))
            text = f"{when}, {percent} % threshold: recall {caught:.2f}, precision {precision:.2f}"
            points.append(_dot(phase, percent, caught, precision, text))
            words.append(text)
    return Chart("Precision and recall", f"Precision-recall curve: {'; '.join(words)}", ("0", "1"), ("0", "1"),
                 "recall", "precision", _paths(curves.pr, steps=True), points, guides=guides)


def _cost(row: Mapping[str, Any], curves: Curves) -> Chart:
    """The least loss over the price of a false alarm; thin lines are never and always to raise an alarm."""
    harm = _known(row, "asr")
    lines, words = {}, []
    for phase, when in PHASES.items():
        points = np.array(curves.roc.get(phase, [[], []]))
        if harm is not None and points.size:
            losses = least_loss(points[0], points[1], harm, PRICES)
            lines[phase] = _line((WIDTH * PRICES).tolist(), losses.tolist())
            tenth = losses[np.argmin(np.abs(PRICES - 0.1))]
            words.append(f"{when} {tenth:.3f} at a price of .1, where no detector leaves {max(min(harm, 0.1), 0):.3f}")
    guides = [] if harm is None else [f"M0 {_y(max(harm, 0))}H{WIDTH}", f"M0 {HEIGHT}L{WIDTH} 0"]
    return Chart("Cost", f"Least loss over the price of a false alarm, in won battles: {'; '.join(words)}", ("0", "1"),
                 ("0", "1"), "price of a false alarm", "least loss", lines, guides=guides)


def _delay(row: Mapping[str, Any], curves: Curves) -> Chart:
    """Alarms come from the trigger's first step on; the curve holds after its last point."""
    steps, shares = curves.delay
    first, last = min([-curves.trigger_length, *steps]), max([curves.duration, *steps])
    scale = WIDTH / max(last - first, 1)
    path, words = "", "no battle raises an alarm"
    if steps:
        path = f"M0 {HEIGHT}" + "".join(f"H{_short((step - first) * scale)}V{_y(share)}"
                                        for step, share in zip(steps, shares, strict=True)) + f"H{WIDTH}"
        at_once = max([share for step, share in zip(steps, shares, strict=True) if step <= 0], default=0.0)
        median = _known(row, "delay")
        words = f"{at_once:.0%} of the battles have an alarm by the completion of the trigger, {shares[-1]:.0%} in " \
                f"the end; median delay {'none' if median is None else f'{median:.0f} steps'}"
    zero = -first * scale
    return Chart("Delay", f"Share of battles with an alarm over steps since the trigger was complete: {words}",
                 (f"{first:.0f}", f"{last:.0f}"), ("0", "1"), "steps since completion", "share alarmed",
                 {"scores": path} if path else {}, bands=_bands(curves, zero, scale))


def _timelines(curves: Curves) -> list[Chart]:
    """The battles' scores over their steps, all on one scale."""
    if not curves.timelines:
        return []
    limit = curves.limits[-1]
    every = np.clip(np.concatenate([battle.scores for battle in curves.timelines]), -GREATEST, GREATEST)
    low, high = float(every.min()), float(every.max())
    if limit is not None:
        low, high = max(min(low, limit), -GREATEST), min(max(high, limit), GREATEST)
    longest = max(max(len(battle.scores) for battle in curves.timelines) - 1, 1)
    return [_timeline(battle, curves, low, high, longest) for battle in curves.timelines]


def _timeline(battle: Timeline, curves: Curves, low: float, high: float, longest: int) -> Chart:
    limit, scale, tall = curves.limits[-1], WIDTH / longest, (high - low) or 1.0
    path = _line([step * scale for step in range(len(battle.scores))],
                 [(min(max(score, low), high) - low) / tall for score in battle.scores])
    greatest = f"greatest score {max(battle.scores):.3g}"
    if battle.completion is not None:
        start = max(battle.completion - curves.trigger_length, 0)
        parts = {"before the trigger": battle.scores[:start], "in its steps": battle.scores[start:battle.completion],
                 "in the attack period": battle.scores[battle.completion:battle.completion + curves.duration]}
        greatest = "greatest score " + ", ".join(f"{max(part):.3g} {when}" for when, part in parts.items() if part)
    shown = "" if limit is None else f"; threshold for 5 % false alarms {limit:.3g}"
    width = (len(battle.scores) - 1) * scale
    bands = [] if battle.completion is None else _bands(curves, battle.completion * scale, scale, width)
    what = battle.what if battle.completion is None else f"{battle.what} with trigger"
    return Chart(f"Battle {battle.battle}, {what}",
                 f"Scores of battle {battle.battle}, {what}, over {len(battle.scores)} steps: {greatest}{shown}",
                 ("0", f"{longest:.0f}"), (f"{low:.3g}", f"{high:.3g}"), "step", "score", {"scores": path}, bands=bands,
                 guides=[] if limit is None else [f"M0 {_y((min(max(limit, low), high) - low) / tall)}H{WIDTH}"])


def _bands(curves: Curves, zero: float, scale: float, width: float = WIDTH) -> list[Band]:
    """The trigger's steps and the attack period, as far as they lie within ``width``; completion is at ``zero``."""
    ends = {"trigger": (zero - curves.trigger_length * scale, zero), "attack": (zero, zero + curves.duration * scale)}
    clipped = ((what, max(start, 0), min(stop, width)) for what, (start, stop) in ends.items())
    return [Band(what, _short(start), _short(stop - start)) for what, start, stop in clipped if stop > start]


def _paths(curves: Mapping[str, list[list[float]]], steps: bool = False) -> dict[str, str]:
    """An SVG path a phase, of those that have points."""
    found = {}
    for phase in PHASES:
        x, y = curves.get(phase, [[], []])
        if x and steps:
            found[phase] = f"M0 {_y(y[0])}" + "".join(
                f"V{_y(level)}H{_short(WIDTH * end)}" for end, level in zip(x, y, strict=True))
        elif x:
            found[phase] = _line([WIDTH * value for value in x], y)
    return found


def _line(x: Sequence[float], y: Sequence[float]) -> str:
    return "M" + "L".join(f"{_short(a)} {_y(b)}" for a, b in zip(x, y, strict=True))


def _dot(phase: str, percent: int, x: float, y: float, text: str) -> Dot:
    return Dot(phase, percent, _short(WIDTH * x), _y(y), text)


def _y(share: float) -> float:
    return _short(HEIGHT * (1 - share))


def _short(value: float) -> float:
    """Rounded to a tenth; whole numbers without a point, for the page's size."""
    rounded = round(float(value), 1)
    return int(rounded) if rounded == int(rounded) else rounded


def _known(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return None if value is None or pd.isna(value) else float(value)


def _two(row: Mapping[str, Any], name: str) -> str:
    value = _known(row, name)
    return "unknown" if value is None else f"{value:.2f}"
