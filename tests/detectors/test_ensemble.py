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


def test_the_more_surprised_member_decides(make_episodes):
    detector = Ensemble([Feature(0), Feature(1)]).fit(make_episodes([20] * 60, seed=1).public())
    test = make_episodes([6], seed=2)
    test.observation[...] = 0
    test.observation[0, 1, 0, 0], test.observation[0, 2, 0, 1] = 8, 8
    test.observation[0, 3, 0, :2] = 8
    scores = detector.score(test.public())[0, :, 0]
    assert scores[[0, 4, 5]] == pytest.approx(scores[0])
    assert scores[0] == pytest.approx(np.log(2), abs=0.15), "the middle of a normal score is no surprise"
    assert min(scores[1:4]) > 10, "far out in the tail, from either member"
    assert scores[3] == pytest.approx(max(scores[1], scores[2]))


def test_a_member_counts_where_it_is_more_surprised_by_its_margin(make_episodes):
    normal, test = make_episodes([20] * 60, seed=1).public(), make_episodes([20], seed=2).public()
    one, other, even, uneven = (Ensemble(members, margins=margins).fit(normal).score(test) for members, margins in (
        ([Feature(0)], None), ([Feature(1)], None), ([Feature(0), Feature(1)], None),
        ([Feature(0), Feature(1)], [0.0, 1.5])))
    assert even == pytest.approx(np.maximum(one, other))
    assert uneven == pytest.approx(np.maximum(one, other - 1.5))
    assert (even != uneven).any()


def test_surprise_is_calibrated_on_normal_battles(make_episodes):
    detector = Ensemble([Feature()]).fit(make_episodes([25] * 200, seed=1).public())
    scores = detector.score(make_episodes([25] * 200, seed=2).public())
    for share in (0.5, 0.1, 0.02, 0.001):
        assert (scores > -np.log(share)).mean() == pytest.approx(share, rel=0.35)


def test_it_needs_what_its_members_need(make_episodes):
    assert Ensemble([SpectralSignature(), TDError()]).needs == ("hidden", "q")
    assert Ensemble([Feature()]).needs == ()
    one = Feature()
    one.needs = "hidden"
    assert Ensemble([one]).needs == ("hidden",), "a single name"
    assert Ensemble([Feature(), Strip()]).needs == ("policy",)
    with pytest.raises(DetectorError, match="TDError"):
        Ensemble([TDError()]).fit(replace(make_episodes([5] * 4), q=None).public())


def test_a_member_that_needs_the_policy_is_given_it(make_episodes):
    def policy(observation, last_action, hidden):
        return observation[..., :6], observation[..., :1]

    ensemble = Ensemble([Feature(), Strip(perturbations=2)]).fit(make_episodes([9] * 9).public(), policy=policy)
    assert ensemble.members_[1].policy_ is policy


@pytest.mark.parametrize(("members", "message"), [([], "at least one member"),
                                                  ([EpisodeLength()], "EpisodeLength returned shape")])
def test_wrong_members(members, message, make_episodes):
    with pytest.raises(DetectorError, match=message):
        Ensemble(members).fit(make_episodes([5] * 4).public())


def test_each_member_needs_a_margin(make_episodes):
    with pytest.raises(DetectorError, match="2 members have 1 margins"):
        Ensemble([Feature(0), Feature(1)], margins=[1.0]).fit(make_episodes([5] * 4).public())
