"""Temporal-difference errors: an agent's own value falls."""

import numpy as np
import pytest

from detectors import TDError


def test_the_error_of_a_value(make_episodes):
    fit, test = make_episodes([30] * 30, seed=1), make_episodes([4], seed=2)
    detector = TDError(gamma=0.5).fit(fit.public())
    test.values[:] = 0
    test.values[0, 1, :, 2], test.action[0, 1] = 3, 2
    test.values[0, 2] = [[-1], [1]]
    test.values[0, 2, 0, 5], test.available[0, 2, 0, 5] = 9, False  # what cannot be done is worth nothing
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
        episodes.values[:] = 0.1 * episodes.values + 5
    test.values[2, 9:, 1] -= 4
    scores = TDError().fit(fit.public()).score(test.public())
    assert np.unravel_index(scores.argmax(), scores.shape) == (2, 9, 1)


def test_the_dead_score_nothing(make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    assert not TDError().fit(make_episodes([9] * 9).public()).score(test.public()).any()
