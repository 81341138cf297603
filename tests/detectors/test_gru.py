"""Sequence models: an observation that does not follow from the ones before, a window that cannot be rebuilt."""

import numpy as np
import pytest
import torch

from detectors import GRUAutoencoder, GRUPredictor


def pendulums(make_episodes, lengths, seed):
    """Battles in which every feature swings with a period of four steps, from a random phase."""
    episodes = make_episodes(lengths, seed=seed)
    rng = np.random.default_rng(seed)
    phase = rng.integers(4, size=(len(lengths), 1, 2, 1))
    step = np.arange(max(lengths))[:, None, None]
    episodes.observation[:] = np.cos(np.pi / 2 * (step + phase)) + 0.05 * episodes.observation
    return episodes


@pytest.mark.parametrize("detector", [
    GRUPredictor(hidden=32, epochs=15), pytest.param(GRUAutoencoder(4, hidden=32, epochs=40), marks=pytest.mark.slow)])
def test_values_are_usual_and_their_order_is_not(detector, make_episodes):
    detector.fit(pendulums(make_episodes, [16] * 60, seed=1).public())
    test = pendulums(make_episodes, [16] * 10, seed=2)
    normal = detector.score(test.public())
    test.observation[3, 8, 1, :4] = test.observation[3, 6, 1, :4]  # four features swing back half a period early
    planted = detector.score(test.public())
    assert planted[3, 8, 1] > 1.5 * normal[:, 4:].max()
    others = np.ones(planted.shape, bool)
    others[3, 8:, 1] = False
    assert np.allclose(planted[others], normal[others])


@pytest.mark.parametrize("detector", [GRUPredictor(hidden=8, epochs=2), GRUAutoencoder(hidden=8, code=4, epochs=2)])
def test_scores_of_normal_battles_are_about_one_and_the_dead_score_nothing(detector, make_episodes):
    state = torch.get_rng_state()
    episodes = make_episodes([8] * 20)
    episodes.alive[:, 5:, 0] = False
    scores = detector.fit(episodes.public()).score(episodes.public())
    lives = scores[episodes.alive]
    assert torch.equal(state, torch.get_rng_state()), "nobody else's random numbers are touched"
    assert not scores[:, 5:, 0].any()
    episodes.alive[:] = False
    assert not detector.score(episodes.public()).any()
    if isinstance(detector, GRUAutoencoder):
        assert lives.mean() == pytest.approx(1, abs=0.05)
    assert (lives > 0).all()


def test_a_feature_that_never_changed_and_now_does(make_episodes):
    fit = make_episodes([8] * 60)
    fit.observation[..., 0] = 0.5
    detector = GRUPredictor(hidden=8, epochs=20, rate=1e-2).fit(fit.public())
    test = make_episodes([8] * 2, seed=1)
    test.observation[..., 0] = 0.5
    test.observation[1, 4, 0, 0] = 1.0
    scores = detector.score(test.public())
    assert np.unravel_index(scores.argmax(), scores.shape) in [(1, 4, 0), (1, 5, 0)], "seen, or gone again"
