"""Hidden states: outside their bands, far from their action's clusters, along directions that play does not take."""

import numpy as np
import pytest

from detectors import ActivationClusters, NeuronBands, SpectralSignature

DETECTORS = [NeuronBands(), ActivationClusters(), SpectralSignature()]


@pytest.mark.parametrize("detector", DETECTORS)
def test_one_state_unlike_the_others(detector, make_episodes):
    fit, test = make_episodes([20] * 20, seed=1), make_episodes([20] * 5, seed=2)
    for episodes in (fit, test):
        episodes.hidden[:] *= 0.3
    test.hidden[2, 7, 1] = 0.9
    scores = detector.fit(fit.public()).score(test.public())
    assert np.unravel_index(scores.argmax(), scores.shape) == (2, 7, 1)


@pytest.mark.parametrize("detector", DETECTORS)
def test_each_agent_is_compared_with_itself(detector, make_episodes):
    """A state that is usual for one agent is not for another whose network is its own."""
    fit, test = make_episodes([20] * 20, seed=1), make_episodes([20] * 5, seed=2)
    for episodes in (fit, test):
        episodes.hidden[:] *= 0.1
        episodes.hidden[:, :, 1] += 0.8
    test.hidden[2, 7, 0] = test.hidden[2, 7, 1]
    scores = detector.fit(fit.public()).score(test.public())
    assert np.unravel_index(scores.argmax(), scores.shape) == (2, 7, 0)


@pytest.mark.parametrize("detector", DETECTORS)
def test_the_dead_score_nothing(detector, make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    assert not detector.fit(make_episodes([9] * 9).public()).score(test.public()).any()


def test_bands_hold_what_they_promise(make_episodes):
    detector = NeuronBands(tail=0.1).fit(make_episodes([40] * 40, seed=1).public())
    test = make_episodes([40] * 40, seed=2)
    assert detector.score(test.public()).mean() == pytest.approx(0.2, abs=0.01)
    test.hidden[:] = 0
    test.hidden[..., :2] = 1
    assert np.array_equal(detector.score(test.public()), np.full(test.alive.shape, 2 / 8))


@pytest.mark.parametrize("detector", [ActivationClusters(), SpectralSignature()])
def test_a_usual_state_with_the_wrong_action(detector, make_episodes):
    """Half of the actions come with one kind of state, half with another."""
    fit, test = make_episodes([20] * 20, seed=1), make_episodes([20] * 5, seed=2)
    for episodes in (fit, test):
        episodes.hidden[:] *= 0.1
        episodes.hidden[..., 0] += np.where(episodes.action < 3, -0.5, 0.5).astype(np.float16)
    detector.fit(fit.public())
    normal = detector.score(test.public())
    test.action[2, 7, 1] = (test.action[2, 7, 1] + 3) % 6
    assert detector.score(test.public())[2, 7, 1] > normal.max()


def test_small_but_in_a_direction_that_play_does_not_take(make_episodes):
    rng = np.random.default_rng(0)
    plane = np.linalg.qr(rng.normal(size=(8, 8)))[0]

    def play(seed):
        episodes = make_episodes([20] * 20, seed=seed)
        spread = np.array([0.3, 0.2] + [0.01] * 6)
        episodes.hidden[:] = np.random.default_rng(seed).normal(size=episodes.hidden.shape) * spread @ plane.T
        return episodes

    detector, test = SpectralSignature().fit(play(1).public()), play(2)
    test.hidden[2, 7, 1] = 0.9 * plane[:, 0]  # three deviations, but where play goes
    test.hidden[3, 7, 1] = 0.1 * plane[:, 4]
    scores = detector.score(test.public())
    assert np.unravel_index(scores.argmax(), scores.shape) == (3, 7, 1)
    assert scores[2, 7, 1] < np.quantile(scores, 0.99)


def test_an_action_never_seen_may_be_near_any_cluster(make_episodes):
    fit, test = make_episodes([20] * 20, seed=1), make_episodes([20] * 5, seed=2)
    fit.action[:] %= 5
    test.action[:] = 5
    detector = ActivationClusters().fit(fit.public())
    assert set(detector.centres_) == set(range(5))
    unknown = detector.score(test.public())
    test.action[:] = 0
    assert (unknown <= detector.score(test.public())).all()
