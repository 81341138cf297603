"""DEXTER: usual values in an unusual order, and slight anomalies that last."""

import numpy as np
import pytest
from scipy.signal import lfilter

from detectors import Dexter
from detectors.cusum import cusum
from detectors.dexter import series_features


def test_features_of_a_series():
    series = np.array([1.0, 3.0, 2.0, 6.0])
    features = series_features(series[:, None])[0]
    assert features == pytest.approx([3, np.sqrt(14 / 4), 1, 6, 5, (2 + 1 + 4) / 3, (-2 * 0 + 0 * -1 + -1 * 3) / 3])


def slow_noise(episodes, correlation, seed):
    """Stationary noise of deviation 1 in every feature, with this correlation from step to step."""
    rng = np.random.default_rng(seed)
    shocks = rng.normal(size=episodes.observation.shape) * np.sqrt(1 - correlation**2)
    shocks[:, 0] /= np.sqrt(1 - correlation**2)
    episodes.observation[:] = lfilter([1], [1, -correlation], shocks, axis=1)
    return episodes.public()


def test_the_same_values_in_another_rhythm(make_episodes):
    """The anomaly that DEXTER is for: noise whose correlation in time is another, each value being as before."""
    lengths = [24] * 40
    detector = Dexter(window=8).fit(slow_noise(make_episodes(lengths), 0.9, seed=1))
    normal = detector.score(slow_noise(make_episodes(lengths), 0.9, seed=2))
    planted = detector.score(slow_noise(make_episodes(lengths), 0.0, seed=3))
    assert np.quantile(planted[:, 8:], 0.1) > np.quantile(normal[:, 8:], 0.9)


def test_the_cusum_is_of_the_same_scores(make_episodes):
    fit, test = (slow_noise(make_episodes([12, 9, 12]), 0.5, seed) for seed in (1, 2))
    plain, summed = (Dexter(slack=slack).fit(fit).score(test) for slack in (None, 0.25))
    assert summed == pytest.approx(cusum(plain, 0.25) * test.alive)
    assert not plain[~test.alive].any()


def test_the_dead_score_nothing(make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    assert not Dexter(slack=0.5).fit(make_episodes([9] * 9).public()).score(test.public()).any()


def test_what_never_changes_has_no_forest(make_episodes):
    episodes = make_episodes([8] * 10)
    episodes.observation[..., 3:] = 0.5
    detector = Dexter().fit(episodes.public())
    assert detector.dimensions_.tolist() == [0, 1, 2]
    assert len(detector.forests_) == 3
