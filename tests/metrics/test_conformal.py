"""How strange a battle is for its own team, and two teams' battles beside each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from bench.metrics import conformal
from bench.metrics.conformal import detection
from bench.metrics.detection import RESAMPLES

N, STEPS = 40, 30


def battles(seed, n=N, low=12, high=STEPS):
    """Scores of battles of various lengths, and the steps that were played."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, STEPS)), np.arange(STEPS) < rng.integers(low, high + 1, n)[:, None]


def strangeness(*args):
    """In the middle of where it may be."""
    return conformal.strangeness(*args)[0].mean(-1)


def at(first, last, n=N):
    return np.full(n, first), np.full(n, last)


def test_it_is_the_rank_among_ones_own():
    """Closed form: battles as long as each other have the ranks of their greatest scores."""
    (scores, _), (own, _) = battles(0), battles(1)
    all_played = np.ones((N, STEPS), bool)
    found = strangeness(scores, all_played, *at(5, 9), own, all_played)
    greatest, theirs = scores[:, 5:9].max(1), own[:, 5:9].max(1)
    expected = [-(np.sum(theirs > one) + 0.5) / (N + 1) for one in greatest]
    assert found == pytest.approx(expected)
    ends = conformal.strangeness(scores, all_played, *at(5, 9), own, all_played)[0]
    assert ends[:, 1] - ends[:, 0] == pytest.approx(1 / (N + 1), abs=1e-6), "nobody has the same score"


def test_among_others_of_the_same_score_it_is_anywhere():
    alike = np.zeros((N, STEPS))
    mask = np.ones((N, STEPS), bool)
    ends = conformal.strangeness(alike, mask, *at(0, 5), alike, mask)
    assert (ends[..., 0] == -1).all()
    assert (ends[..., 1] == 0).all()


def test_two_teams_that_hardly_ever_score_are_not_told_apart_by_how_rarely():
    """All battles under the trigger score 0; of the teams' own, one in forty scores 1, or two. Were ties to count half,
    the one team's battles would all be stranger than the other's."""
    quiet, mask = np.zeros((N, STEPS)), np.ones((N, STEPS), bool)
    strange = []
    for loud in (1, 2):
        own = quiet.copy()
        own[:loud] = 1
        strange.append(conformal.strangeness(quiet, mask, *at(0, 5), own, mask))
    assert detection(*strange).value == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("score", [lambda steps: steps, lambda steps: steps % 3])
def test_what_knows_the_clock_alone_knows_nothing(score):
    """However long battles last: against others they are looked at as long as both last."""
    clock = np.broadcast_to(score(np.arange(STEPS)), (N, STEPS)).astype(float)
    _, short = battles(0, low=11, high=14)
    _, long = battles(1, low=20)
    assert strangeness(clock, long, *at(10, 30), clock, short) == pytest.approx(-0.5)


@given(st.integers(0, 2**32 - 1), st.integers(0, 10), st.integers(1, 30))
def test_noise_is_chance(seed, first, steps):
    """A battle drawn as the team's own are is anywhere among them, whatever the lengths."""
    scores, mask = battles(seed, n=2 * N)
    order = np.random.default_rng(seed).permutation(2 * N)
    one, other = order[:N], order[N:]
    window = at(first, first + steps)
    found = strangeness(scores[one], mask[one], *window, scores[other], mask[other])
    assert -1 < found.min() <= found.max() < 0
    assert found.mean() == pytest.approx(-0.5, abs=4 * np.sqrt(1 / 12 * 2 / N))


def test_every_battle_has_a_window_of_its_own():
    scores, mask = battles(0)
    own, own_mask = battles(1)
    start = np.arange(N) % 7
    found = strangeness(scores, mask, start, start + 4, own, own_mask)
    for first in range(7):
        some = start == first
        n = int(some.sum())
        assert found[some].tolist() == strangeness(
            scores[some], mask[some], *at(first, first + 4, n), own, own_mask).tolist()


def test_what_is_not_there_has_no_strangeness():
    scores, mask = battles(0, high=20)
    late = strangeness(scores, mask, *at(25, 30), scores, mask)
    assert np.isnan(late).all(), "no battle lasts that long"
    mask[0, 3:] = False
    found = strangeness(scores, mask, *at(5, 9), scores[1:], mask[1:])
    assert np.isnan(found).tolist() == [True] + [False] * (N - 1)
    before = strangeness(scores, mask, *at(-2, 0), scores, mask)
    assert np.isnan(before).all(), "a window before the battle"


def test_steps_before_the_battle_are_left_out():
    scores, mask = battles(0)
    assert strangeness(scores, mask, *at(-3, 4), scores, mask).tolist() == \
        strangeness(scores, mask, *at(0, 4), scores, mask).tolist()


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(-5, 5))
def test_the_scale_of_scores_says_nothing(seed, scale, shift):
    """Nor can an attacker gain by shifting it: every team is ranked among its own battles."""
    (scores, mask), (own, own_mask) = battles(seed), battles(seed + 1)
    scores, own = scores.round(3), own.round(3)
    assert strangeness(scores, mask, *at(2, 9), own, own_mask).tolist() == strangeness(
        np.exp(scale * scores + shift), mask, *at(2, 9), np.exp(scale * own + shift), own_mask).tolist()


def test_detection_is_the_auroc_of_the_battles_that_both_have():
    """Of intervals that do not overlap, it is that of the values."""
    rng = np.random.default_rng(0)
    values = rng.permutation(100).reshape(2, 50) / 100 - 1
    clean, attacked = np.tile(np.stack([values, values + 0.009], -1)[:, None], (1, 1 + RESAMPLES, 1, 1))
    clean[:, :5], attacked[:, 3:9] = np.nan, np.nan
    ranks = rankdata(np.concatenate([clean[0, 9:, 0], attacked[0, 9:, 0]]))
    found = detection(clean, attacked)
    assert found.value == pytest.approx((ranks[41:].sum() - 41 * 42 / 2) / 41**2)
    assert found.low < found.value < found.high
    assert detection(clean, clean).value == pytest.approx(0.5)
    assert detection(clean * np.nan, attacked).value is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=5),
       st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=5))
def test_the_chance_that_one_interval_is_above_another(negative, positive):
    rng = np.random.default_rng(0)
    sides = [np.array([(low, low + width) for low, width in ends], float) for ends in (negative, positive)]
    drawn = [side[:, 0] + rng.random((4000, len(side))) * (side[:, 1] - side[:, 0]) for side in sides]
    wins = (drawn[1][:, None] > drawn[0][..., None]).mean()
    assert conformal._expected_area(*sides) == pytest.approx(wins, abs=0.05)


def test_a_trigger_that_is_seen_is_no_backdoor_that_is_found():
    """Both teams' battles under the trigger are beyond all without it: nothing tells the teams apart."""
    (scores, mask), (own, own_mask) = battles(0), battles(1)
    strange = conformal.strangeness(scores + 100, mask, *at(2, 6), own, own_mask)
    assert detection(strange, strange[:, ::-1]).value == pytest.approx(0.5)


def test_the_interval_covers_the_battles_that_others_are_ranked_among():
    """Of two teams that play alike, 95 % of the intervals hold .5: not if only the battles in question were drawn anew.
    """
    held, mask = [], np.ones((60, 4), bool)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        clean, attacked = (conformal.strangeness(rng.normal(size=(60, 4)), mask, *at(0, 4, 60),
                                                 rng.normal(size=(60, 4)), mask) for _ in range(2))
        found = detection(clean, attacked)
        held.append(found.low <= 0.5 <= found.high)
    assert 0.9 <= np.mean(held) <= 0.99


def test_visibility_is_the_auroc_over_the_same_steps():
    """Of battles that are long enough, the AUROC of their greatest scores, ties counting half; chance for like ones,
    however much longer those with the trigger last."""
    rng = np.random.default_rng(0)
    own, shown = rng.integers(0, 6, (300, 9)).astype(float), rng.integers(1, 7, (200, 9)).astype(float)
    whole = np.ones((300, 9), bool), np.ones((200, 9), bool)
    at = np.zeros(200, int), np.full(200, 3)
    found = conformal.visibility(conformal.strangeness(shown, whole[1], *at, own, whole[0]))
    sides = own[:, :3].max(1), shown[:, :3].max(1)
    exact = np.mean((sides[0][:, None] < sides[1]) + (sides[0][:, None] == sides[1]) / 2)
    assert found.value == pytest.approx(exact, abs=1 / 300)
    assert found.low < found.value < found.high
    short = np.arange(9) < rng.integers(2, 5, 300)[:, None]
    alike = conformal.visibility(conformal.strangeness(
        rng.normal(size=(200, 9)), whole[1], at[0], np.full(200, 9), rng.normal(size=(300, 9)), short))
    assert alike.low < 0.5 < alike.high
    assert conformal.visibility(np.full((3, 5, 2), np.nan)).value is None
