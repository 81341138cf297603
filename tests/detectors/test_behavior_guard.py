"""Behavioural drift: an agent's action probabilities under a kernel density of its normal ones."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.neighbors import KernelDensity

from bench.errors import DetectorError
from detectors import BehaviorGuard
from detectors.action_density import ActionDensity

TERMS = {"temperature": 1.0, "bandwidth": 0.1, "points": 400, "seed": 0}


def learned(episodes, **changes):
    density = ActionDensity(episodes.described, **{**TERMS, **changes})
    return density.learn(episodes.preference, episodes.available, episodes.alive & episodes.mask[..., None])


def test_surprise_is_that_of_a_kernel_density(make_episodes):
    """Scikit-learn's, but for the kernel's constant."""
    episodes = make_episodes([20] * 20)
    density = learned(episodes)
    test = make_episodes([9], seed=1)
    likely = density.probabilities(test.preference[0], test.available[0])
    surprise = density.surprise(likely)
    for agent in range(2):
        known = KernelDensity(bandwidth=0.1).fit(density.points_[agent])
        constant = likely.shape[-1] * (np.log(2 * np.pi) / 2 + np.log(0.1))
        assert surprise[:, agent] == pytest.approx(-known.score_samples(likely[:, agent]) - constant, abs=1e-3)


def test_probabilities_are_of_kinds_and_of_what_is_available(make_episodes):
    episodes = make_episodes([20] * 20)
    episodes.preference[:, :, 1] *= 50  # an agent's own scale does not matter
    density = learned(episodes)
    assert density.scale_[1] == pytest.approx(50 * density.scale_[0], rel=0.1)
    available = np.ones((1, 2, 6), bool)
    available[0, :, :2] = False
    preference = density.scale_[:, None] * np.array([9, 9, 1, 2, 3, 4.0])
    likely = density.probabilities(preference[None], available)[0]
    assert likely[0] == pytest.approx([0, 0, *softmax([1, 2, 3, 4])], abs=1e-6)
    assert likely[1] == pytest.approx(likely[0], abs=1e-6)


def test_actions_of_one_kind_are_added_up(battles):
    """On 3m: five moves, and attacks on three outsiders."""
    density = ActionDensity(battles.spec, **TERMS)
    preference = np.random.default_rng(0).normal(size=(100, 3, 8))
    density.learn(preference, np.ones((100, 3, 8), bool), np.ones((100, 3), bool))
    likely = density.probabilities(preference[:1], np.ones((1, 3, 8), bool))[0]
    each = softmax(preference[0] / density.scale_[:, None], -1)
    assert likely[:, :5] == pytest.approx(each[:, :5], abs=1e-6)
    assert likely[:, 5] == pytest.approx(each[:, 5:].sum(-1), abs=1e-6)
    available = np.ones((1, 3, 8), bool)
    available[0, 0, [4, 6]], available[0, 1, 5:] = False, False
    assert density.able(available)[0].tolist() == [[True] * 4 + [False, True], [True] * 5 + [False], [True] * 6]


def test_mean_shift_leads_to_where_the_density_is_higher(make_episodes):
    episodes = make_episodes([20] * 20)
    density = learned(episodes)
    likely = np.broadcast_to(np.eye(6, dtype=np.float32)[:, None], (6, 2, 6))
    able = np.ones((6, 2, 6), bool)
    shifted = density.nearer(likely, able)
    assert shifted.sum(-1) == pytest.approx(1, abs=1e-5)
    assert (density.surprise(shifted) < density.surprise(likely)).all()
    density.points_[:, 0], density.able_[:, 0] = np.eye(6)[3], np.arange(6) == 3
    alone = np.broadcast_to(np.arange(6) == 3, able.shape)
    assert density.nearer(likely, alone) == pytest.approx(np.broadcast_to(np.eye(6)[3], likely.shape)), \
        "the one step in which nothing else was available"


def test_an_agent_that_never_lived_is_as_the_others(make_episodes):
    episodes = make_episodes([20] * 20)
    episodes.alive[:, :, 1] = False
    density = learned(episodes, points=1_000)
    assert np.isfinite(density.points_).all()
    assert density.points_[1].mean(0) == pytest.approx(density.points_[0].mean(0), abs=0.05)


def test_who_prefers_what_it_never_did_drifts(make_episodes):
    """In the step in which it does, in the rest of the window, and no longer."""
    detector = BehaviorGuard(window=3).fit(make_episodes([20] * 30, seed=1).public())
    test = make_episodes([20] * 3, seed=2)
    before = detector.score(test.public())
    test.preference[1, 8, 1] = np.eye(6)[2] * 50
    after = detector.score(test.public())
    changed = np.zeros(before.shape, bool)
    changed[1, 8:11, 1] = True
    assert (after[changed] > before[changed] + 3).all()
    assert after[~changed] == pytest.approx(before[~changed], abs=1e-4)


def test_the_score_is_the_mean_of_three_standardised_statistics(make_episodes):
    fit = make_episodes([30] * 20, seed=1)
    detector = BehaviorGuard(window=2, quantile=0.9).fit(fit.public())
    rest = fit[10:]
    surprise = detector._surprise(rest)
    assert detector.limit_ == pytest.approx(np.quantile(surprise, 0.9, axis=(0, 1)))
    pairs = np.stack([surprise[:, 1:], surprise[:, :-1]])
    excess = np.maximum(pairs - detector.limit_, 0)
    statistics = np.stack([pairs.mean(0), pairs.max(0), excess.mean(0)], -1)
    expected = ((statistics - detector.mean_) / detector.deviation_).mean(-1)
    scores = detector.score(rest.public())
    assert scores[:, 1:] == pytest.approx(expected, abs=1e-6)
    assert scores.mean((0, 1)) == pytest.approx(0, abs=1e-6), "of those battles that it is standardised by"


def test_the_dead_score_nothing(make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    assert not BehaviorGuard().fit(make_episodes([9] * 9).public()).score(test.public()).any()


@pytest.mark.parametrize(("changes", "message"), [
    ({"temperature": 0}, "temperature is 0; allowed: above 0"),
    ({"bandwidth": -1}, "bandwidth is -1; allowed: above 0"), ({"points": 0}, "points is 0; allowed: 1 and more"),
    ({"window": 0}, "window is 0; allowed: 1 and more"),
    ({"quantile": 1.0}, "quantile is 1.0; allowed: above 0, below 1")])
def test_values_that_make_no_sense(make_episodes, changes, message):
    with pytest.raises(DetectorError, match=message):
        BehaviorGuard(**changes).fit(make_episodes([9] * 9).public())
