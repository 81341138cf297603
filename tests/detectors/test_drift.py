"""Action drift: an agent's mix of actions against what it is in the same circumstances."""

import numpy as np
import pytest

from detectors import ActionDrift


def test_drift_is_the_g_statistic(make_episodes):
    """Actions 0 and 5 alternate in battle; then only 0."""
    episodes = make_episodes([200] * 2)
    episodes.action[:] = (np.arange(200) % 2 * 5)[:, None]
    detector = ActionDrift(memory=0.5).fit(episodes.public())
    half = detector.expected_[0, 1]  # the one enemy can always be attacked
    assert half == pytest.approx([0.5, 0, 0, 0, 0, 0.5], abs=0.01)
    test = make_episodes([3])
    test.action[:] = 0
    scores = detector.score(test.public())[0, :, 0]
    assert scores == pytest.approx(2 * np.array([1, 1.5, 1.75]) * -np.log(half[0]))


def test_drift_in_the_same_circumstances(make_episodes):
    """Whoever can attack does, whoever cannot walks: more walking is no drift, walking while it can attack is."""
    fit, test = make_episodes([20] * 30, seed=1), make_episodes([20] * 3, seed=2)
    rng = np.random.default_rng(0)
    for episodes, share in ((fit, 0.5), (test, 0.1)):
        can = rng.random(episodes.alive.shape) < share
        episodes.available[..., 5] = can
        episodes.action[:] = np.where(can, 5, 1)
    detector = ActionDrift().fit(fit.public())
    assert detector.score(test.public())[:2].max() < 1
    test.available[2, 10:, 1, 5] = True
    test.action[2, 10:, 1] = 1
    scores = detector.score(test.public())
    assert scores[2, 15, 1] > 10
    assert scores[2, :, 0].max() < 1


def test_the_dead_score_nothing(make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    assert not ActionDrift().fit(make_episodes([9] * 9).public()).score(test.public()).any()
