"""What every shipped detector promises, on synthetic episodes."""

import numpy as np
import pytest
from sklearn.base import clone

from bench import options
from bench.harness.build import build, option
from detectors import IsolationForestDetector, Step, Window

NAMES = options.names("detector")


@pytest.fixture
def detector(request):
    return build(option("detector", request.param), "detector")


@pytest.mark.parametrize("detector", NAMES, indirect=True)
def test_the_contract(detector, make_episodes):
    fit, test = make_episodes([9, 6, 7] * 5, seed=1).public(), make_episodes([8, 1, 5], seed=2).public()
    fresh = clone(detector)
    assert fresh.fit(fit) is fresh
    scores = np.asarray(fresh.score(test))
    assert scores.shape in (test.mask.shape, test.alive.shape)
    assert np.isfinite(scores).all()
    assert np.array_equal(scores, clone(detector).fit(fit).score(test)), "the same seed gives the same scores"
    reverse = np.asarray(fresh.score(test[::-1]))[::-1]
    assert np.allclose(reverse, scores), "no episode's score depends on the others"


@pytest.mark.parametrize("detector", NAMES, indirect=True)
def test_the_future_changes_nothing(detector, make_episodes):
    detector.fit(make_episodes([9] * 12, seed=1).public())
    test = make_episodes([8, 8], seed=2)
    before = np.asarray(detector.score(test.public()))
    test.observation[:, 5:] += 3
    test.alive[:, 6:] = False
    after = np.asarray(detector.score(test.public()))
    assert np.allclose(before[:, :5], after[:, :5])


@pytest.mark.parametrize("view", [Step(), Window(3)])
def test_wild_observations_score_higher(view, make_episodes):
    detector = IsolationForestDetector(view).fit(make_episodes([20] * 20, seed=1).public())
    test = make_episodes([10, 10], seed=2)
    test.observation[1, 4, 0] = 8.0
    scores = detector.score(test.public())
    assert scores[1, 4, 0] > scores[:, :4].max()
    assert scores[1, 4, 0] > scores[0].max()


def test_the_dead_score_nothing(make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    scores = IsolationForestDetector().fit(make_episodes([9] * 9).public()).score(test.public())
    assert not scores.any()


def test_a_window_looks_back_and_begins_with_zeros(make_episodes):
    episodes = make_episodes([5, 5])
    seen, window = episodes.observation, Window(3)(episodes)
    assert window.shape == (2, 5, 2, 9)
    assert np.array_equal(window[:, 4], np.concatenate([seen[:, 2], seen[:, 3], seen[:, 4]], -1))
    assert not window[:, 0, :, :6].any()
    assert np.array_equal(window[:, 0, :, 6:], seen[:, 0])
    assert np.array_equal(Window(1)(episodes), Step()(episodes))
