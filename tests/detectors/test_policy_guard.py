"""Posterior variance of a Gaussian process: small among the data, that of the prior far away."""

import numpy as np
import pytest

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


def test_it_is_the_closed_form(make_episodes):
    fit, test = make_episodes([5] * 4, seed=1), make_episodes([3], seed=2)
    detector = PolicyGuard(points=1_000, noise=0.1).fit(fit.public())

    def inputs(episodes):
        parts = scaled(detector.scaler_, episodes.observation), Actions()(episodes)
        return np.concatenate([part.reshape(-1, part.shape[-1]) / length
                               for part, length in zip(parts, detector.lengths_, strict=True)], -1, dtype=float)

    def kernel(one, other):
        return np.exp(-((one[:, None] - other) ** 2).sum(-1) / 2)

    known, asked = inputs(fit), inputs(test)
    covariance = kernel(known, known) + 0.1 * np.eye(len(known))
    across = kernel(asked, known)
    variance = 1 - np.einsum("ij,ij->i", across, np.linalg.solve(covariance, across.T).T)
    assert detector.score(test.public()).reshape(-1) == pytest.approx(variance)


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
    assert len(few.model_.X_train_) == 20
    scores = few.score(test.public())
    assert np.array_equal(scores, again.score(test.public()))
    assert not np.array_equal(scores, other.score(test.public()))
    assert (scores > PolicyGuard().fit(fit.public()).score(test.public()))[test.alive].all(), "less is known"
    assert scores[0, 2, 0] == 0
    assert not scores[1, 2:].any()
