"""Behaviour: an agent that does not act as it does, or whose own value falls."""

import numpy as np
import pytest

from detectors import ActionDrift, PeerPrediction, TDError


def followers(make_episodes, n, seed):
    """Battles in which an agent does what its first feature says: attack the enemy (5) or stop (4); 10 % by chance."""
    episodes = make_episodes([20] * n, seed=seed)
    rng = np.random.default_rng(seed)
    told = np.where(episodes.observation[..., 0] > 0, 5, 4)
    episodes.action[:] = np.where(rng.random(told.shape) < 0.1, rng.integers(6, size=told.shape), told)
    return episodes


def test_whoever_disobeys_is_named(make_episodes):
    detector = PeerPrediction(hidden=16, epochs=40, rate=1e-2).fit(followers(make_episodes, 60, seed=1).public())
    test = followers(make_episodes, 40, seed=2)
    test.action[:20, 8:, 1] = np.where(test.observation[:20, 8:, 1, 0] > 0, 4, 5)  # as often, at the wrong time
    scores = detector.score(test.public())
    assert (scores[:20, 14:, 1] > scores[:20, 14:, 0]).mean() > 0.95
    assert scores[:20, 14, 1].min() > np.quantile(scores[20:], 0.99)
    assert np.allclose(scores[:20, :8], detector.score(test[:20].public())[:, :8])


def test_acting_too_predictably_counts_too(make_episodes):
    fit, test = followers(make_episodes, 60, seed=1), followers(make_episodes, 20, seed=2)
    rng = np.random.default_rng(3)
    for episodes in (fit, test):
        episodes.action[:] = np.where(rng.random(episodes.action.shape) < 0.7, 4, 5)
    test.action[:10, :, 0] = 4
    scores = PeerPrediction(slack=0.25, hidden=8, epochs=20, rate=1e-2).fit(fit.public()).score(test.public())
    assert scores[:10, -1, 0].mean() > 2 * scores[10:, -1].mean()


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


def test_the_error_of_a_value(make_episodes):
    fit, test = make_episodes([30] * 30, seed=1), make_episodes([4], seed=2)
    detector = TDError(gamma=0.5).fit(fit.public())
    test.q[:] = 0
    test.q[0, 1, :, 2], test.action[0, 1] = 3, 2
    test.q[0, 2] = [[-1], [1]]
    test.q[0, 2, 0, 5], test.available[0, 2, 0, 5] = 9, False  # what cannot be done is worth nothing
    test.reward[0] = [0, 1, 0, 0]
    errors = detector.score(test.public())[0] * detector.deviation_ + detector.mean_
    assert errors[2] == pytest.approx([3 - 1 / 2 + 0.5, 3 - 1 / 2 - 0.5])
    scores = detector.score(fit.public())
    assert scores[:, 1:].mean((0, 1)) == pytest.approx([0, 0], abs=1e-6)
    assert scores[:, 1:].std((0, 1)) == pytest.approx([1, 1])
    assert not scores[:, 0].any()


def test_whose_value_falls(make_episodes):
    fit, test = make_episodes([20] * 20, seed=1), make_episodes([20] * 5, seed=2)
    for episodes in (fit, test):
        episodes.q[:] = 0.1 * episodes.q + 5
    test.q[2, 9:, 1] -= 4
    scores = TDError().fit(fit.public()).score(test.public())
    assert np.unravel_index(scores.argmax(), scores.shape) == (2, 9, 1)


@pytest.mark.parametrize("detector", [PeerPrediction(epochs=1), ActionDrift(), TDError()])
def test_the_dead_score_nothing(detector, make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    assert not detector.fit(make_episodes([9] * 9).public()).score(test.public()).any()
