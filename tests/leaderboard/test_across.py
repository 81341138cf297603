"""Figures across teams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.leaderboard.across import POWER, Teams, means, pairs, power, profiles

names = st.lists(st.sampled_from("abcde"), min_size=1, max_size=20)


@given(names)
def test_every_attack_counts_alike_however_many_teams_it_has(attacks):
    teams = Teams(attacks)
    for name in set(attacks):
        of = np.array([attack == name for attack in attacks])
        assert teams.shares[of].sum() == pytest.approx(1 / len(set(attacks)))
    draws = teams.draws()
    assert draws.sum(1) == pytest.approx(1)
    assert draws.min() >= 0
    assert draws.mean(0) == pytest.approx(teams.shares, abs=0.05)


def test_what_is_the_same_everywhere_is_beyond_doubt():
    found = means(np.full((6, 2), [0.8, 0.6]), np.zeros((6, 2)), Teams("aabbcc"))
    for figure in (found.value, found.low, found.high, found.new_low, found.new_high, found.middle):
        assert figure == pytest.approx([0.8, 0.6])
    for figure in (found.behind, found.behind_low, found.behind_high):
        assert figure == pytest.approx([0, 0.2])


def test_the_interval_is_that_of_the_mean_over_attacks():
    """Of one team an attack: the standard error of a mean, with the standard deviation of the sample as it is."""
    values = np.random.default_rng(0).uniform(0.4, 0.9, (30, 1))
    found = means(values, np.zeros((30, 1)), Teams([str(k) for k in range(30)]))
    half = 1.96 * values.std() / np.sqrt(30)
    assert found.value[0] == pytest.approx(values.mean())
    assert found.low[0] == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert found.high[0] == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_teams_of_one_attack_are_drawn_as_well():
    values = np.array([[0.5], [0.6], [0.7], [0.8]])
    found = means(values, np.zeros((4, 1)), Teams("aaaa"))
    assert found.high[0] - found.low[0] == pytest.approx(2 * 1.96 * values.std() / 2, rel=0.1)


def test_battles_count():
    """A standard error of .02 each, of four teams that agree."""
    found = means(np.full((4, 1), 0.7), np.full((4, 1), 0.02), Teams("abcd"))
    assert found.high[0] - found.low[0] == pytest.approx(2 * 1.96 * 0.02 * np.sqrt(7) / 4, rel=0.1), \
        "four draws of four, with replacement: the weights' squares sum to 7 / 16"


def test_a_difference_is_of_the_same_teams():
    """Attacks differ by much and the two figures never do by more than a little: the intervals overlap, and the paired
    one does not hold 0."""
    hard = np.linspace(0.3, 0.9, 10)
    found = means(np.stack([hard + 0.02, hard], 1), np.zeros((10, 2)), Teams([str(k) for k in range(10)]))
    assert found.low[0] < found.high[1], "they overlap"
    assert (found.behind_low[1], found.behind_high[1]) == pytest.approx((0.02, 0.02))
    assert found.behind[0] == 0


def test_a_new_team_is_anywhere_among_those_that_are_there():
    values = np.array([[0.2], [0.9], [0.9], [0.9]])
    found = means(values, np.zeros((4, 1)), Teams("abcd"))
    assert (found.new_low[0], found.new_high[0]) == pytest.approx((0.2, 0.9))
    assert found.low[0] > 0.3, "the mean of four is not as low as that"
    noisy = means(values, np.full((4, 1), 0.1), Teams("abcd"))
    assert (noisy.new_low[0], noisy.new_high[0]) == (pytest.approx(0.07, abs=0.06), 1), "shares end at 1"


def test_the_middle_leaves_out_the_attacks_at_both_ends():
    values = np.array([[0.0], [0.6], [0.8], [1.0], [1.0]])
    assert means(values, values * 0, Teams("abcdd")).middle[0] == pytest.approx(0.7)


def test_how_often_one_is_ahead():
    values = np.array([[0.9, 0.8], [0.9, 0.9], [0.9, 0.8], [0.5, 0.4]])
    found = means(values, values * 0, Teams("aabc"))
    assert found.beaten[1] == pytest.approx((0.75 + 1 + 1) / 3), "of attack a one team is a tie"
    assert found.beaten[0] == 0.5


@pytest.mark.parametrize(("difference", "spread", "needed"), [(0.02, 0.04, 34), (0.1, 0.1, 10), (0.05, 0.0, 2)])
def test_how_many_teams_it_takes(difference, spread, needed):
    """Tables of Cohen's d of one sample at 80 % power: .5 takes 34, 1 takes 10."""
    apart = difference + spread * np.array([-1, 1, -1, 1])
    found = means(np.stack([0.5 + apart, np.full(4, 0.5)], 1), np.zeros((4, 2)), Teams("abcd"))
    assert found.needed[1] == needed
    assert np.isnan(found.needed[0])


def test_how_many_teams_it_takes_is_the_least_number_with_the_power():
    effect = np.array([0.05, 0.3, 1.0, 3.0, 5.8, 24.0, 1e6])
    found = pairs(effect)
    assert list(found) == [3142, 90, 10, 4, 3, 2, 2]
    assert (power(effect, found) >= POWER).all()
    assert (power(effect[:-2], found[:-2] - 1) < POWER).all()


def test_a_profile_counts_attacks_and_not_teams():
    """Attack a has three teams, b one; levels are reached by who has just so much."""
    values = np.array([[0.5, 0.9], [0.5, 0.9], [0.5, 0.9], [0.8, 0.2]])
    found = profiles(values, Teams("aaab"), np.array([0.0, 0.5, 0.6, 0.95]))
    assert found == pytest.approx(np.array([[1, 1], [1, 0.5], [0.5, 0.5], [0, 0]]))
