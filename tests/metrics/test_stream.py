"""Alarms over a stream of battles: what is promised without the trigger, and what is found with it."""

import numpy as np
import pytest
from scipy.stats import kstest

from bench.metrics.stream import FALSE, STREAMS, p_values, stream_alarms


def test_p_values_of_like_battles_are_uniform():
    rng = np.random.default_rng(0)
    found = np.concatenate([p_values(*np.split(rng.integers(0, 5, 300), [200]), rng) for _ in range(50)])
    assert kstest(found, "uniform").pvalue > 0.01, "with many ties, too"


def test_p_values_by_hand():
    class Half:
        def random(self, n):
            return np.full(n, 0.5)

    found = p_values(np.array([1.0, 2, 3]), np.array([2.5, 9.0, 2.5]), Half())
    # among 1 2 3: one is higher; among 1 2 3 2.5: none; among 1 2 3 2.5 9: two are higher, one as high
    assert found == pytest.approx([(1 + 0.5) / 4, 0.5 / 5, (2 + 0.5 * 2) / 6])


def test_what_differs_is_found_and_what_does_not_is_not():
    rng = np.random.default_rng(1)
    calibration, normal = rng.normal(size=2_000), rng.normal(size=1_000)
    clear = stream_alarms(calibration, normal, 10 + rng.normal(size=1_000))
    assert clear.alarms == 1
    assert clear.false_alarms <= 0.1
    faint = stream_alarms(calibration, normal, 2 + rng.normal(size=1_000))
    assert clear.battles < (faint.battles or 1_001)
    assert stream_alarms(calibration, normal, rng.normal(size=1_000)).battles is None
    assert stream_alarms(calibration, normal, np.full(1_000, -9.0)).alarms <= 0.1, "too ordinary is no reason"


@pytest.mark.slow
def test_few_streams_of_any_scores_raise_a_false_alarm():
    """Ville's inequality, of battles and thresholds drawn anew."""
    rng = np.random.default_rng(2)
    false = [stream_alarms(*np.split(rng.exponential(size=900).round(1), [600]), np.ones(10)).false_alarms
             for _ in range(40)]
    limit = FALSE + 4 * np.sqrt(FALSE * (1 - FALSE) / len(false)), np.std(false) / np.sqrt(len(false))
    assert np.mean(false) <= limit[0], f"{STREAMS} streams of the same battles are not independent"


def test_nothing_to_compare_and_the_same_again():
    some = np.arange(30.0)
    assert stream_alarms(some[:0], some, some) is None
    assert stream_alarms(some, some, some[:0]) is None
    assert stream_alarms(some, some, some) == stream_alarms(some, some, some)
    assert stream_alarms(some, some[:3], some[:1]).battles is None
