"""Posterior variance of a Gaussian process: small among the data, that of the prior far away."""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from detectors import Actions, PolicyGuard
from detectors.recurrent import scaled


def test_the_variance_grows_from_the_data_to_the_prior(make_episodes):
    fit, test = make_episodes([10] * 10, seed=1), make_episodes([10] * 3, seed=2)
    test.observation[0], test.action[0] = fit.observation[0], fit.action[0]
    test.observation[1] = 3 * fit.observation[0]
    test.observation[2] = 100 * fit.observation[0]
    scores = PolicyGuard().fit(fit.public()).score(test.public())
    seen, odd, wild = scores.mean((1, 2))
    assert seen < 0.01, "not even the noise, 0.01"
    assert seen < odd / 10
    assert wild == pytest.approx(1)
    assert (scores <= 1).all()


def test_it_is_the_variance_that_scikit_learn_has(make_episodes):
    fit, test = make_episodes([5] * 4, seed=1), make_episodes([3], seed=2)
    detector = PolicyGuard(points=1_000, noise=0.1).fit(fit.public())

    def inputs(episodes):
        parts = scaled(detector.scaler_, episodes.observation), Actions()(episodes)
        return np.concatenate([part.reshape(-1, part.shape[-1]) / length
                               for part, length in zip(parts, detector.lengths_, strict=True)], -1, dtype=float)

    process = GaussianProcessRegressor(RBF(1.0), alpha=0.1, optimizer=None)
    deviation = process.fit(inputs(fit), np.zeros(fit.alive.size)).predict(inputs(test), return_std=True)[1]
    assert detector.score(test.public()).reshape(-1) == pytest.approx(deviation ** 2)


def test_one_step_known(make_episodes):
    """What one point tells: 1 - k^2 / (1 + noise), at the point and one median distance away."""
    detector = PolicyGuard(noise=0.1).fit(make_episodes([5] * 4).public())
    detector.points_, detector.whitening_ = detector.points_[:1], np.array([[1 / np.sqrt(1.1)]], np.float32)
    test = make_episodes([2])
    here = Actions()(test)[0, :, 0]
    test.observation[0, :, 0] = detector.scaler_.mean_
    test.action[0, 1, 0] = test.action[0, 0, 0]
    detector.points_[0] = np.concatenate([np.zeros(21), here[0] / detector.lengths_[1]])
    away = detector.scaler_.mean_ + detector.scaler_.scale_ * detector.lengths_[0] * np.eye(21)[3]
    test.observation[0, 0, 1], test.action[0, 0, 1] = away, test.action[0, 0, 0]
    scores = detector.score(test.public())
    assert scores[0, 0, 0] == pytest.approx(1 - 1 / 1.1, abs=1e-4)
    assert scores[0, 0, 1] == pytest.approx(1 - np.exp(-1) / 1.1, abs=1e-3)


def test_an_action_out_of_context(make_episodes):
    """The agent does what it sees; the same observation with another action is one of which nothing is known."""
    def play(seed):
        episodes = make_episodes([12] * 20, seed=seed)
        sign = episodes.observation[..., :1] > 0
        episodes.observation[:] = np.where(sign, 1, -1)
        episodes.action[:] = np.where(sign[..., 0], 2, 3)
        return episodes

    detector, test = PolicyGuard().fit(play(1).public()), play(2)
    test.action[1, 6, 1] = 5 - test.action[1, 6, 1]
    scores = detector.score(test.public())
    rest = np.delete(scores.reshape(-1), np.ravel_multi_index(([1, 1], [6, 7], [1, 1]), scores.shape))
    assert scores[1, 6, 1] > 10 * rest.max()


def test_a_drawn_part_of_the_steps(make_episodes):
    fit, test = make_episodes([9] * 9, seed=1), make_episodes([4, 2], seed=2)
    test.alive[0, 2, 0] = False
    few, again, other = (PolicyGuard(points=20, seed=seed).fit(fit.public()) for seed in (1, 1, 2))
    assert len(few.points_) == 20
    scores = few.score(test.public())
    assert np.array_equal(scores, again.score(test.public()))
    assert not np.array_equal(scores, other.score(test.public()))
    assert (scores > PolicyGuard().fit(fit.public()).score(test.public()))[test.alive].all(), "less is known"
    assert scores[0, 2, 0] == 0
    assert not scores[1, 2:].any()
