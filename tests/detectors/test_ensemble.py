"""Several detectors as one."""

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import DetectorError
from detectors import EpisodeLength, SpectralSignature, Strip, TDError
from detectors.ensemble import Ensemble


class Feature:
    """Scores one feature of the observation; a member without ``needs``."""

    def __init__(self, number=0):
        self.number = number

    def fit(self, episodes):
        return self

    def score(self, episodes):
        return episodes.observation[..., self.number].astype(float)


def test_evidence_adds_up(make_episodes):
    normal = make_episodes([20] * 60, seed=1).public()
    one, other, both = (Ensemble(members).fit(normal) for members in (
        [Feature(0)], [Feature(1)], [Feature(0), Feature(1)]))
    test = make_episodes([6], seed=2)
    test.observation[...] = 0
    test.observation[0, 1, 0, 0], test.observation[0, 2, 0, 1] = 8, 8
    test.observation[0, 3, 0, :2] = 8
    scores = both.score(test.public())[0, :, 0]
    assert scores[[0, 4, 5]] == pytest.approx(2 * np.log(2), abs=0.3), "the middle of a normal score is no surprise"
    assert min(scores[1:4]) > 10, "far out in the tail, from either member"
    assert scores[3] > max(scores[1], scores[2]) + 10, "and more so from both"
    assert both.score(test.public()) == pytest.approx(one.score(test.public()) + other.score(test.public()))


def test_a_member_is_left_out_unless_it_is_sure(make_episodes):
    normal, test = make_episodes([20] * 60, seed=1).public(), make_episodes([20], seed=2).public()
    one, other, truncated = (Ensemble(members, truncation=truncation).fit(normal).score(test)
                             for members, truncation in (([Feature(0)], None), ([Feature(1)], None),
                                                         ([Feature(0), Feature(1)], [1.0, 0.2])))
    sure = other >= -np.log(0.2)
    assert 0 < sure.mean() < 0.5
    assert truncated == pytest.approx(np.where(sure, one + other, one))


def test_surprise_is_calibrated_on_normal_battles(make_episodes):
    detector = Ensemble([Feature()]).fit(make_episodes([25] * 200, seed=1).public())
    scores = detector.score(make_episodes([25] * 200, seed=2).public())
    for share in (0.5, 0.1, 0.02, 0.001):
        assert (scores > -np.log(share)).mean() == pytest.approx(share, rel=0.35)


def test_it_needs_what_its_members_need(make_episodes):
    assert Ensemble([SpectralSignature(), TDError()]).needs == ("hidden", "values")
    assert Ensemble([Feature()]).needs == ()
    one = Feature()
    one.needs = "hidden"
    assert Ensemble([one]).needs == ("hidden",), "a single name"
    assert Ensemble([Feature(), Strip()]).needs == ("policy",)
    with pytest.raises(DetectorError, match="TDError"):
        Ensemble([TDError()]).fit(replace(make_episodes([5] * 4), values=None).public())


def test_a_member_that_needs_the_policy_is_given_it(make_episodes):
    def policy(observation, last_action, hidden):
        return observation[..., :6], observation[..., :1]

    ensemble = Ensemble([Feature(), Strip(perturbations=2)]).fit(make_episodes([9] * 9).public(), policy=policy)
    assert ensemble.members_[1].policy_ is policy


class Broken(Feature):
    """Fails in its scores, and returns nothing from ``fit``."""

    def fit(self, episodes):
        pass

    def score(self, episodes):
        return np.full(episodes.alive.shape, np.nan)


class Tied(Feature):
    """Knows three values, of which the greatest is common."""

    def score(self, episodes):
        return np.digitize(super().score(episodes), [-1.0, 1.0]).astype(float)


def test_a_member_with_few_values_does_not_drown_the_others(make_episodes):
    detector = Ensemble([Tied()]).fit(make_episodes([25] * 60, seed=1).public())
    assert detector.score(make_episodes([25] * 60, seed=2).public()).max() < 10


@pytest.mark.parametrize(("members", "message"), [([], "at least one member"),
                                                  ([Feature(), Broken()], "Broken, a member .* not finite"),
                                                  ([EpisodeLength()], "EpisodeLength returned shape")])
def test_wrong_members(members, message, make_episodes):
    with pytest.raises(DetectorError, match=message):
        Ensemble(members).fit(make_episodes([5] * 4).public())


@pytest.mark.parametrize(("truncation", "message"), [
    ([1.0], "2 members have 1 truncations"), ([1.0, 0.0], "allowed: from above 0 to 1"),
    ([1.0, 1.5], "allowed: from above 0 to 1")])
def test_wrong_truncations(truncation, message, make_episodes):
    with pytest.raises(DetectorError, match=message):
        Ensemble([Feature(0), Feature(1)], truncation=truncation).fit(make_episodes([5] * 4).public())
