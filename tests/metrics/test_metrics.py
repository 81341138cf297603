"""The figures against closed forms, other libraries, and each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from bench.contracts import NEVER, Estimate
from bench.metrics import detection as d
from bench.metrics.attack import loss_rate, poisoned_share, rate
from bench.metrics.cost import least_loss


def wins(won, n=1000):
    return np.arange(n) < won


def test_wilson_interval_of_a_rate():
    """Of 10 in 100: centre (10 + z²/2) / (100 + z²), known to every textbook as 0.0552 to 0.1744."""
    estimate = rate(wins(10, 100))
    assert estimate.value == 0.1
    assert (estimate.low, estimate.high) == pytest.approx((0.05523, 0.17437), abs=1e-5)
    assert rate(np.array([])).value is None


@pytest.mark.parametrize(("clean", "triggered", "asr"), [(956, 80, 1 - 80 / 956), (968, 90, 1 - 90 / 968)])
def test_asr_is_the_papers(clean, triggered, asr):
    """W_o = .956, W_p = .08 is the paper's 91.6 %; W_o = .968, W_p = .09 its 90.7 % (Table I)."""
    estimate = loss_rate(wins(clean), wins(triggered))
    assert estimate.value == pytest.approx(asr)
    assert round(100 * estimate.value, 1) in (91.6, 90.7)
    assert estimate.low < estimate.value < estimate.high


def test_loss_rate_at_the_edges():
    assert loss_rate(wins(0), wins(500)).value is None, "a team that never wins has nothing to lose"
    nothing_left = loss_rate(wins(900), wins(0))
    assert nothing_left.value == 1
    assert nothing_left.low < 1
    assert loss_rate(wins(500), wins(600)).value == pytest.approx(-0.2)
    assert loss_rate(wins(1000), wins(1000)).value == 0


@given(st.integers(1, 60), st.integers(0, 60))
def test_the_interval_holds_the_value(before, after):
    estimate = loss_rate(wins(before, 60), wins(after, 60))
    assert estimate.low <= estimate.value + 1e-9
    assert estimate.value <= estimate.high + 1e-9


def test_the_asr_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, covered = 1 - 0.3 / 0.9, 0
    for _ in range(300):
        estimate = loss_rate(rng.random(400) < 0.9, rng.random(400) < 0.3)
        covered += estimate.low <= truth <= estimate.high
    assert 0.91 < covered / 300 < 0.99


scores = st.lists(st.integers(0, 5).map(float), min_size=2, max_size=30).map(np.array)


@given(scores, scores)
def test_ranking_is_sklearns_with_ties(negative, positive):
    label = np.r_[np.zeros(len(negative)), np.ones(len(positive))]
    both = np.r_[negative, positive]
    assert d.roc_area(negative, positive) == pytest.approx(roc_auc_score(label, both))
    assert d._average_precision(negative, positive) == pytest.approx(average_precision_score(label, both))
    stacked = d._average_precision(np.stack([negative, negative]), np.stack([positive, positive]))
    assert stacked == pytest.approx(average_precision_score(label, both))


def test_ranking_closed_forms():
    apart = d.auroc(np.arange(50.0), 100 + np.arange(50.0))
    assert (apart.value, apart.low, apart.high) == (1, 1, 1)
    assert d.auroc(np.zeros(30), np.zeros(20)).value == 0.5, "chance"
    assert d.auprc(np.zeros(30), np.zeros(20)).value == pytest.approx(0.4), "chance is the base rate"
    assert d.auroc(np.ones(5), np.zeros(5)).value == 0, "higher scores mean more anomalous"
    assert d.auroc(np.array([1.0]), np.array([2.0])).value is None


@given(scores, scores)
def test_curves_have_the_areas_of_their_figures(negative, positive):
    false, true = d.roc(negative, positive)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(d.roc_area(negative, positive), abs=1e-3)
    recall, precision = d.precision_recall(negative, positive)
    assert recall[-1] == 1
    area = np.diff(recall, prepend=0) @ precision
    assert area == pytest.approx(d._average_precision(negative, positive), abs=1e-3)


def test_curves_by_hand():
    negative, positive = np.array([1.0, 3.0]), np.array([2.0, 4.0])
    assert d.roc(negative, positive) == [[0, 0, 0.5, 0.5, 1], [0, 0.5, 0.5, 1, 1]]
    assert d.precision_recall(negative, positive) == [[0.5, 0.5, 1, 1], [1, 0.5, 0.6667, 0.5]]
    assert d.roc(np.zeros(9), np.zeros(9)) == [[0, 1], [0, 1]], "chance"
    assert d.precision_recall(np.zeros(6), np.zeros(4)) == [[1], [0.4]], "chance is the base rate"
    assert d.roc(np.zeros(1), np.zeros(9)) == d.precision_recall(np.zeros(9), np.zeros(1)) == [[], []]


def test_a_thinned_curve_keeps_its_ends_and_its_shape():
    rng = np.random.default_rng(0)
    negative, positive = rng.normal(size=3000), rng.normal(1, 1, 3000)
    false, true = d.roc(negative, positive)
    assert len(false) == len(true) <= d.POINTS
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(d.roc_area(negative, positive), abs=0.002)
    assert d.thinned(np.arange(9.0), np.arange(9.0), 3) == [[0, 4, 8], [0, 4, 8]]


def test_the_delay_curve_by_hand():
    """Of four battles two have an alarm, after 1 and 3 steps; that others end earlier makes neither more frequent."""
    alarm, completion = np.array([11, NEVER, 13, NEVER]), np.full(4, 10)
    assert d.delay_curve(alarm, completion) == [[1, 3], [0.25, 0.5]]
    assert d.delay_curve(np.array([8, 8]), np.full(2, 10)) == [[-2], [1]]
    assert d.delay_curve(np.full(4, NEVER), completion) == [[], []]


def test_windows():
    steps = np.array([[5.0, 1.0, 8.0, 9.0]])
    mask = np.array([[True, True, True, False]])
    start, stop = np.array([1]), np.array([4])
    assert d.window_score(steps, mask, start, stop).tolist() == [8], "a step that was not played does not count"
    assert np.isnan(d.window_score(steps, mask, np.array([3]), stop)).all()


def test_the_threshold_keeps_its_promise():
    """A new normal episode exceeds the conformal quantile with probability at most alpha."""
    rng = np.random.default_rng(0)
    for share in (0.01, 0.05, 0.2):
        alarms = [rng.normal() > d.threshold(rng.normal(size=120), share) for _ in range(4000)]
        assert np.mean(alarms) < share + 0.012
        assert np.mean(alarms) > share - 0.02
    assert d.threshold(np.zeros(50), 0.01) == np.inf, "50 episodes cannot promise 1 %"
    assert d.threshold(np.arange(99.0), 0.01) == 98
    assert d.threshold(np.array([]), 0.05) == np.inf


def test_first_alarm():
    scores = np.array([[9.0, 0.0, 9.0, 0.0], [0.0, 0.0, 0.0, 9.0]])
    mask = np.array([[True] * 4, [True, True, True, False]])
    assert d.first_alarm(scores, mask, 5, np.array([1, 0])).tolist() == [2, NEVER]
    assert d.first_alarm(scores, mask, 5, np.array([0, 0])).tolist() == [0, NEVER]


def test_delay_is_the_median():
    alarm, completion = np.array([3, 5, 9, 11, 12]), np.full(5, 4)
    assert d.median_delay(alarm, completion).value == 5


def test_delay_when_all_alarms_come_at_once():
    estimate = d.median_delay(np.full(40, 12), np.full(40, 10))
    assert (estimate.value, estimate.low, estimate.high) == (2, 2, 2)


def test_battles_without_an_alarm_are_never_caught():
    """However early they end: half of the battles have an alarm, the later half of those after 3 steps."""
    completion = np.full(40, 10)
    alarm = np.where(np.arange(40) < 20, np.where(np.arange(40) < 10, 11, 13), NEVER)
    half = d.median_delay(alarm, completion)
    assert half.value == 3
    assert half.low is not None
    assert half.low <= 3
    assert half.high is None, "it may as well be fewer than half"
    assert d.median_delay(np.full(4, NEVER), completion[:4]).value is None
    few = d.median_delay(np.array([11, NEVER, NEVER, NEVER]), completion[:4])
    assert few.value is None, "most are never caught: no median to give"
    assert d.median_delay(np.zeros(0, int), np.zeros(0, int)).value is None


def test_the_delays_interval_covers():
    held = []
    for seed in range(200):
        delay = np.random.default_rng(seed).geometric(0.1, 101)
        found = d.median_delay(10 + delay, np.full(101, 10))
        held.append(found.low <= 7 <= found.high)  # the median of that distribution
    assert np.mean(held) > 0.9


def by_hand(scores, weight, anomalies):
    """Area under precision and recall for one length of the buffers, threshold by threshold: (step,) scores and
    weights, 1 in an anomaly and less in its buffer; anomalies with their buffers as slices."""
    area, last = 0.0, 0.0
    for limit in np.unique(scores)[::-1]:
        flagged = scores >= limit
        true = weight[flagged].sum()
        positives = (weight == 1).sum() + weight[flagged & (weight < 1)].sum() / 2
        recall = min(true / positives, 1) * np.mean([flagged[where].any() for where in anomalies])
        area += (recall - last) * true / flagged.sum()
        last = recall
    return area


def test_vus_pr_without_buffers_is_the_area_under_the_pr_curve():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 30, (3, 40)).astype(float)
    mask = np.arange(40) < np.array([40, 25, 31])[:, None]
    label = np.zeros((3, 40), bool)
    label[1, 10:18] = True
    found = d.vus_pr(scores, mask, np.array([NEVER, 10, NEVER]), np.array([NEVER, 18, NEVER]), 0)
    assert found.value == pytest.approx(average_precision_score(label[mask], scores[mask]), abs=1e-6)


def test_vus_pr_by_hand():
    """Two episodes with an anomaly each and one without; a buffer of length 2 reaches one step far, with sqrt(1/2)."""
    scores = np.random.default_rng(1).normal(size=(3, 12))
    mask = np.ones((3, 12), bool)
    start, stop = np.array([4, NEVER, 0]), np.array([7, NEVER, 2])
    weight = np.zeros((2, 36))
    weight[:, [4, 5, 6, 24, 25]] = 1
    weight[1, [3, 7, 26]] = np.sqrt(0.5)
    plain = by_hand(scores.ravel(), weight[0], [slice(4, 7), slice(24, 26)])
    buffered = by_hand(scores.ravel(), weight[1], [slice(3, 8), slice(24, 27)])
    assert plain != pytest.approx(buffered)
    assert d.vus_pr(scores, mask, start, stop, 0).value == pytest.approx(plain, abs=1e-6)
    found = d.vus_pr(scores, mask, start, stop, 2)
    assert found.value == pytest.approx((2 * plain + buffered) / 3, abs=1e-6), "a length of 1 reaches nowhere"
    assert found.low <= found.value <= found.high


def test_vus_pr_at_its_ends():
    mask = np.ones((40, 50), bool)
    start = np.where(np.arange(40) < 20, 10, NEVER)
    stop = np.where(start == NEVER, NEVER, 30)
    inside = (start[:, None] != NEVER) & (np.arange(50) >= 10) & (np.arange(50) < 30)
    perfect = d.vus_pr(inside.astype(float), mask, start, stop, 8)
    assert (perfect.value, perfect.low, perfect.high) == (1, 1, 1)
    assert d.vus_pr(np.zeros((40, 50)), mask, start, stop, 0).value == pytest.approx(0.2), "chance: the share of steps"
    noise = d.vus_pr(np.random.default_rng(0).normal(size=(40, 50)), mask, start, stop, 0)
    assert noise.low < 0.2 < noise.high + 0.02
    assert d.vus_pr(-1.0 * inside, mask, start, stop, 0).value < 0.25
    assert d.vus_pr(np.zeros((40, 50)), mask, np.full(40, NEVER), stop, 4).value is None


def test_attribution_by_hand():
    """First, tied with one, last, not there, first of two: 2.5 of 4, chance (3/3 + 1/2) / 4."""
    nan = np.nan
    scores = np.array([[1.0, 9.0, 2.0], [5.0, 5.0, 0.0], [3.0, 1.0, 2.0], [3.0, nan, 9.0], [1.0, 2.0, nan]])
    share, chance = d.attribution(scores, [1])
    assert share.value == pytest.approx(2.5 / 4)
    assert chance == pytest.approx((3 / 3 + 1 / 2) / 4)
    z, n, p = 1.959964, 4, 2.5 / 4
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    assert (share.low, share.high) == pytest.approx(ends)
    all_alike, chance = d.attribution(np.zeros((50, 4)), [2])
    assert all_alike.value == chance == 0.25
    assert d.attribution(np.full((3, 2), nan), [0]) == (Estimate(None), None)
    share, chance = d.attribution(scores, [0, 2])  # .0, .5, 1, 1, 0: agent 1 is first, tied, last, away, first
    assert share.value == pytest.approx(2.5 / 5)
    assert chance == pytest.approx((2 / 3 * 3 + 1 + 1 / 2) / 5)


def test_poisoned_share_counts_played_steps_once():
    trigger = np.array([[1, 1, 0, 0], [0, 0, 0, 1]], bool)
    attack = np.array([[0, 1, 1, 0], [0, 0, 0, 0]], bool)
    mask = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
    assert poisoned_share(trigger, attack, mask) == 3 / 6
    assert poisoned_share(trigger, attack, np.zeros_like(mask)) == 0


def test_least_losses_of_detectors_that_are_known():
    """Of a perfect one, of chance, and of one whose best threshold depends on the price."""
    prices = np.array([0.0, 0.1, 0.5, 2.0])
    assert least_loss(np.array([0.0]), np.array([1.0]), 0.9, prices).tolist() == [0, 0, 0, 0]
    assert least_loss(np.array([0.3]), np.array([0.3]), 0.9, prices) == pytest.approx([0, 0.1, 0.5, 0.9])
    some = least_loss(np.array([0.1, 0.5]), np.array([0.6, 1.0]), 0.8, prices)
    assert some == pytest.approx([0, 0.05, 0.25, 0.32 + 0.2])
    assert least_loss(np.array([0.1]), np.array([0.6]), -0.1, prices).tolist() == [0, 0, 0, 0], "nothing to avert"


rates = st.floats(0, 1, allow_subnormal=False)


@given(st.lists(st.tuples(rates, rates), min_size=1, max_size=9), rates)
def test_no_detector_costs_more_than_none(points, harm):
    """And dearer false alarms cost no less."""
    prices = np.linspace(0, 3, 7)
    loss = least_loss(*np.array(points).T, harm, prices)
    assert (loss <= np.minimum(harm, prices) + 1e-12).all()
    assert (np.diff(loss) >= -1e-12).all()
