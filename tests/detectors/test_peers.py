"""Peer prediction: an agent that does not act as it does is named."""

import numpy as np

from detectors import PeerPrediction


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


def test_the_dead_score_nothing(make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    assert not PeerPrediction(epochs=1).fit(make_episodes([9] * 9).public()).score(test.public()).any()
