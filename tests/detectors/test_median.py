"""Scores that have to last."""

import numpy as np
import pytest

from bench.errors import DetectorError
from detectors import EpisodeLength, MedianFilter, SpectralSignature, Strip


class Feature:
    """Scores a feature of the observation of every agent."""

    def fit(self, episodes):
        self.fitted = len(episodes)
        return self

    def score(self, episodes):
        return episodes.observation[..., 0].astype(float)


def test_one_strange_step_is_noise_and_two_are_not(make_episodes):
    test = make_episodes([9])
    test.observation[...] = 0
    test.observation[0, 3, 0, 0] = 5
    test.observation[0, 3:5, 1, 0] = 5, 7
    scores = MedianFilter(Feature()).fit(test.public()).score(test.public())[0]
    assert not scores[:, 0].any()
    assert scores[:, 1].tolist() == [0, 0, 0, 0, 5, 5, 0, 0, 0], "known once the second is seen"


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_it_is_the_running_median_of_what_was(steps, make_episodes):
    test = make_episodes([12, 12], seed=3).public()
    scores = MedianFilter(Feature(), steps).fit(test).score(test)
    raw = Feature().score(test)
    padded = np.concatenate([np.repeat(raw[:, :1], steps - 1, 1), raw], 1)
    for step in range(12):
        assert scores[:, step] == pytest.approx(np.median(padded[:, step: step + steps], 1))


def test_scores_of_whole_steps_are_filtered_too(make_episodes):
    test = make_episodes([5, 7]).public()
    assert MedianFilter(EpisodeLength()).fit(test).score(test).shape == test.mask.shape


def test_it_needs_what_its_detector_needs_and_leaves_that_alone(make_episodes):
    assert MedianFilter(SpectralSignature()).needs == ("hidden",)
    assert MedianFilter(Strip()).needs == ("policy",)
    inner, test = Feature(), make_episodes([5]).public()
    assert MedianFilter(inner).fit(test).detector_.fitted == 1
    assert not hasattr(inner, "fitted")


@pytest.mark.parametrize("steps", [0, 2, -1])
def test_wrong_steps(steps, make_episodes):
    with pytest.raises(DetectorError, match="allowed: odd numbers from 1"):
        MedianFilter(Feature(), steps).fit(make_episodes([5]).public())
