"""Figures of model detectors against closed forms and scikit-learn's, and where probabilities come from."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from bench.metrics.models import Calibration, brier, calibration_error, cross_entropy, figures

LABELS = np.array([True, True, False, False])


def test_who_knows_nothing_pays_ln_2_and_a_quarter():
    half = np.full(4, 0.5)
    for found, costs in ((cross_entropy(half, LABELS), np.log(2)), (brier(half, LABELS), 0.25)):
        assert (found.value, found.low, found.high) == pytest.approx((costs,) * 3)


def test_a_wrong_certainty_costs_much_but_not_everything():
    assert cross_entropy(np.array([1.0, 1.0, 0.0, 0.0]), LABELS).value == pytest.approx(0, abs=1e-9)
    wrong = cross_entropy(np.array([0.0, 1.0, 0.0, 0.0]), LABELS)
    assert wrong.value == pytest.approx(12 * np.log(10) / 4)
    assert brier(np.array([0.0, 1.0, 0.0, 0.0]), LABELS).value == 0.25


def test_figures_are_scikit_learns():
    rng = np.random.default_rng(0)
    labels = rng.random(60) < 0.4
    statistic = rng.normal(size=60) + labels
    probability = 1 / (1 + np.exp(-statistic))
    found = figures("test", "all", statistic, probability, labels)
    assert (found.n_backdoored, found.n_others) == (labels.sum(), (~labels).sum())
    for estimate, theirs in ((found.auroc, roc_auc_score(labels, statistic)),
                             (found.cross_entropy, log_loss(labels, probability)),
                             (found.brier, brier_score_loss(labels, probability))):
        assert estimate.value == pytest.approx(theirs)
        assert estimate.low < estimate.value < estimate.high


def test_probabilities_that_are_right_as_often_as_they_say_have_no_calibration_error():
    assert calibration_error(np.array([1.0, 1.0, 0.0, 0.0]), LABELS).value == 0
    assert calibration_error(np.full(4, 0.5), LABELS).value == 0, "they know nothing, and say so"
    assert calibration_error(1.0 - LABELS, LABELS).value == 1
    # Of .9, 7 of 10 are backdoored; of .15, 2 of 20.
    probability, labels = np.repeat([0.9, 0.15], [10, 20]), np.repeat([1, 0, 1, 0], [7, 3, 2, 18]).astype(bool)
    found = calibration_error(probability, labels)
    assert found.value == pytest.approx((10 * 0.2 + 20 * 0.05) / 30)
    assert found.low < found.value < found.high
    assert calibration_error(np.array([0.7]), np.array([True])).value is None


def test_the_interval_of_a_mean_is_about_that_of_the_textbook():
    rng = np.random.default_rng(1)
    labels, probability = rng.random(400) < 0.5, rng.uniform(0.2, 0.8, 400)
    loss = (probability - labels) ** 2
    found, error = brier(probability, labels), 1.96 * loss.std() / 20
    assert (found.low, found.high) == pytest.approx((loss.mean() - error, loss.mean() + error), abs=0.1 * error)


def test_too_few_models_have_no_figures():
    found = figures("test", "all", np.array([1.0]), np.array([0.7]), np.array([True]))
    assert found.auroc.value is found.cross_entropy.value is found.brier.value is None


def test_probabilities_presume_no_share_and_no_scale():
    labels = np.repeat([True, False], [30, 10])
    assert Calibration().fit(np.zeros(40), labels).probability(np.zeros(3)) == pytest.approx([0.5] * 3)
    statistic = labels + np.random.default_rng(0).normal(0, 0.3, 40)
    found = Calibration().fit(statistic, labels).probability(np.array([-1.0, 0.0, 1.0, 2.0]))
    assert found[0] < found[1] < 0.5 < found[2] < found[3]
    scaled = Calibration().fit(1e6 * statistic, labels).probability(1e6 * np.array([-1.0, 0.0, 1.0, 2.0]))
    assert scaled == pytest.approx(found, rel=1e-4)
