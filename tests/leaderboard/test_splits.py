"""Which teams are for developing, and which for judging."""

import pytest

from bench.leaderboard.splits import FAR, LOOKED_AT, SPLITS, split_of


@pytest.mark.parametrize(("attack", "seed", "overrides", "hidden", "split"), [
    ("trojdrl", 0, [], False, "dev"), ("trojdrl", 1, ["attack=trojdrl", "seed=1"], False, "test"),
    ("scripted", 2, [], False, "dev"), ("scripted", 3, [], False, "test"),
    ("natural", 0, ["attack.trigger.zeta=[west,east,east,west]"], False, "near"),
    ("natural", 0, ["+attack.trigger.steps=3"], False, "near"),
    ("trojdrl", 0, ["trigger@attack.trigger=approach"], False, "near"),
    ("published", 0, [], False, "far"), ("published", 1, ["attack.disguise=permuted"], False, "disguised"),
    ("scripted", 0, ["attack.disguise=permuted"], False, "disguised"),
    ("scripted", 0, ["detector=isoforest"], True, "hidden")])
def test_a_team_is_in_one_split(attack, seed, overrides, hidden, split):
    assert split_of(attack, seed, overrides, hidden) == split
    assert split in SPLITS


def test_what_was_looked_at_is_not_far():
    assert len(FAR) >= 3
    assert not set(FAR) & set(LOOKED_AT)
