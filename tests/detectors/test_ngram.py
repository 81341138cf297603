"""Counting enemy moves: closed forms, and what unseen sequences are worth."""

import numpy as np
import pytest

from detectors import ConditionalNGram, NGram


def moves_as_episodes(make_episodes, sequences):
    """Battles of one enemy that moves east (+), west (-) or not (0), seen by both agents."""
    episodes = make_episodes([len(sequence) for sequence in sequences])
    episodes.observation[:] = 0
    unit = 8  # of one ally, then the enemy: 7 features and 1 type each
    for i, sequence in enumerate(sequences):
        episodes.observation[i, : len(sequence), :, unit] = 1  # health
        moves = [{"+": 1, "-": -1, "0": 0}[move] for move in sequence]
        episodes.observation[i, : len(sequence), :, unit + 3] = np.array(moves)[:, None]
    return episodes.public()


def test_bigrams_are_counted(make_episodes):
    detector = NGram(2, smoothing=1.0).fit(moves_as_episodes(make_episodes, ["--0", "--0"]))
    scores = detector.score(moves_as_episodes(make_episodes, ["--0-+"]))
    assert scores[0, 0].tolist() == [0, 0], "one move is no pair"
    total = 8 + 36  # 2 battles, 2 pairs, 2 agents; and one of each of the 36 pairs
    seen, never = -np.log(5 / total), -np.log(1 / total)
    assert scores[0, 1:, 0] == pytest.approx([seen, seen, never, never])


def test_ngrams_longer_than_a_battle(make_episodes):
    detector = NGram(4).fit(moves_as_episodes(make_episodes, ["----0000"] * 3))
    assert not detector.score(moves_as_episodes(make_episodes, ["--"])).any()


def test_conditional_surprise_is_witten_bells(make_episodes):
    detector = ConditionalNGram(n=2, window=1).fit(moves_as_episodes(make_episodes, ["--0", "--0"]))
    scores = detector.score(moves_as_episodes(make_episodes, ["--0+"]))[0, :, 0]
    # Counts over both agents: 8 west and 4 still; the enemy is not seen before the battle, then west (4), west after
    # west (4), still after west (4). Two kinds of moves; p_0 is 1/6.
    west, still, east = (8 + 2 / 6) / 14, (4 + 2 / 6) / 14, (2 / 6) / 14
    expected = [(4 + west) / 5, (4 + 2 * west) / 10, (4 + 2 * still) / 10, east]
    assert scores == pytest.approx(-np.log(expected))


def test_conditional_probabilities_sum_to_one(make_episodes):
    detector = ConditionalNGram(n=3).fit(moves_as_episodes(make_episodes, ["--0+-+00", "+-0-+0"]))
    assert np.exp(-detector.surprise_).reshape(-1, 6).sum(1) == pytest.approx(np.ones(36))


def test_surprises_of_a_window_add_up(make_episodes):
    fit = moves_as_episodes(make_episodes, ["--0+-+00", "+-0-+0"])
    test = moves_as_episodes(make_episodes, ["+-+-00+"])
    single = ConditionalNGram(n=3, window=1).fit(fit).score(test)
    summed = ConditionalNGram(n=3, window=3).fit(fit).score(test)
    assert summed[:, 2:] == pytest.approx(single[:, 2:] + single[:, 1:-1] + single[:, :-2])
    assert summed[:, 0] == pytest.approx(single[:, 0])


def test_a_long_feint_is_told_from_a_short_one(make_episodes):
    """Neither was ever seen, which is all that a joint count of four moves can say."""
    fit = moves_as_episodes(make_episodes, ["------+------", "------0------"] * 10)
    test = moves_as_episodes(make_episodes, ["-----+0-----", "-----+0+0---"])
    short, long = ConditionalNGram().fit(fit).score(test).max((1, 2))
    assert long > short + 1
    short, long = NGram(4).fit(fit).score(test).max((1, 2))
    assert long == short
