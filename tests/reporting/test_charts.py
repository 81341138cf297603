"""Charts: the geometry against figures that are known, and the words for who cannot see it."""

from __future__ import annotations

import pandas as pd
import pytest
from reporting_examples import CURVES

from bench.contracts import Curves
from bench.reporting.charts import HEIGHT, WIDTH, charts, profiles
from bench.reporting.html import template

ROW = {"asr": 0.5, "before_auroc": 0.5, "after_auroc": 1.0, "after_auprc": 0.75, "before_base_rate": 0.5,
       "after_base_rate": 0.5, "after_tpr_at_5fpr": 0.5, "after_false_alarms_at_5fpr": 0.1, "after_tpr_at_1fpr": 0.0,
       "after_false_alarms_at_1fpr": 0.0,
       "before_tpr_at_5fpr": None, "before_false_alarms_at_5fpr": float("nan"), "delay": 2.0}


def test_the_curves_are_drawn_where_their_figures_are():
    roc, precision, cost, delay, most, without = charts(ROW, CURVES)
    assert [c.title for c in (roc, precision, cost, delay, most, without)] == [
        "ROC", "Precision and recall", "Cost", "Delay",
        "Battle 7, most anomalous with trigger", "Battle 3, without trigger"]
    assert roc.lines == {"before": f"M0 {HEIGHT}L{WIDTH} 0", "after": f"M0 {HEIGHT}L0 0L{WIDTH} 0"}
    assert [(d.phase, d.percent, d.x, d.y) for d in roc.dots] == [
        ("after", 1, 0, HEIGHT), ("after", 5, WIDTH / 10, HEIGHT / 2)], "none where there is no threshold"
    half = WIDTH // 2
    assert precision.lines["after"] == f"M0 0V0H{half}V{HEIGHT // 2}H{WIDTH}", "a precision holds up to its recall"
    (dot,) = precision.dots
    assert (dot.x, dot.y) == (half, pytest.approx(HEIGHT * (1 - 0.5 / 0.6), abs=0.1)), "five in six alarms are right"
    assert delay.x_ends == ("-2", "3")
    step = WIDTH // 5
    assert delay.lines["scores"] == f"M0 {HEIGHT}H{step}V{HEIGHT * 0.75}H{4 * step}V{HEIGHT * 0.25}H{WIDTH}"
    assert [(b.what, b.x, b.width) for b in delay.bands] == [("trigger", 0, 2 * step), ("attack", 2 * step, 3 * step)]


def test_battles_are_on_one_scale_with_their_windows():
    *_, most, without = charts(ROW, CURVES)
    step = WIDTH // 10
    assert [(b.what, b.x, b.width) for b in most.bands] == [
        ("trigger", 2 * step, 2 * step), ("attack", 4 * step, 3 * step)]
    assert without.bands == []
    assert most.y_ends == without.y_ends == ("0", "4")
    assert most.guides == without.guides == [f"M0 {HEIGHT // 2}H{WIDTH}"], "the threshold, 2 of 4"
    assert without.lines["scores"] == f"M0 {HEIGHT}L{step} {HEIGHT * 0.75}L{2 * step} {HEIGHT}"


def test_what_cannot_be_seen_is_said():
    roc, precision, cost, delay, most, without = charts(ROW, CURVES)
    assert "before onset AUROC 0.50" in roc.label
    assert "after onset, 5 % threshold: 50.0% of triggered and 10.0% of normal battles raise an alarm" in roc.label
    assert "before onset 0.100 at a price of .1, where no detector leaves 0.100; after onset 0.000" in cost.label
    assert "after onset AUPRC 0.75, chance 0.50" in precision.label
    assert "25% of the battles have an alarm by the completion of the trigger, 75% in the end; median delay 2 steps" \
        in delay.label
    assert "greatest score 0 before the trigger, 1 in its steps, 4 in the attack period; threshold for 5 % false " \
           "alarms 2" in most.label
    assert "over 3 steps: greatest score 1;" in without.label


def test_losses_are_between_none_and_those_without_a_detector():
    cost = charts(ROW, CURVES)[2]
    half, full = WIDTH // 2, HEIGHT // 2
    assert cost.guides == [f"M0 {full}H{WIDTH}", f"M0 {HEIGHT}L{WIDTH} 0"], "never and always to raise an alarm"
    assert cost.lines["after"] == "M" + "L".join(f"{x} {HEIGHT}" for x in range(0, WIDTH + 1, WIDTH // 40)), "perfect"
    assert f"L{half} {full}L" in cost.lines["before"], "chance is no better than the cheaper of the two"
    assert cost.lines["before"].endswith(f"L{WIDTH} {full}")
    assert "Cost" not in [c.title for c in charts({k: v for k, v in ROW.items() if k != "asr"}, CURVES)]


def test_a_profile_says_on_how_many_teams():
    shares = pd.DataFrame({"a": [1.0, 0.5, 0.0], "b": [1.0, 1.0, 0.25]}, index=[0.5, 0.7, 0.9])
    chart = profiles(shares)
    assert chart.lines == {"profile-0": f"M0 0L{WIDTH // 2} {HEIGHT // 2}L{WIDTH} {HEIGHT}",
                           "profile-1": f"M0 0L{WIDTH // 2} 0L{WIDTH} {HEIGHT * 0.75}"}
    assert "of .7: a 50%, b 100%" in chart.label


def test_nothing_to_draw_is_left_out():
    empty = Curves({phase: [[], []] for phase in ("before", "after")}, {}, [[], []], [], [None, None], 2, 3)
    assert charts({}, empty) == []


def test_the_template_writes_every_part_and_escapes_it():
    html = template("charts.html").module.chart(charts(ROW, CURVES)[0])
    assert (html.count("<path"), html.count("<circle"), html.count("<rect")) == (4, 2, 0)
    assert 'role="img"' in html
    module = template("charts.html").module
    assert "<b>" not in module.figure_table("a", "b", {"<b>": dict.fromkeys(ROW) | {
        f"{phase}_{name}": None for phase in ("before", "after")
        for name in ("backdoor", "auprc", "auroc", "tpr_at_1fpr", "tpr_at_5fpr")}})
