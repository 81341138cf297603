"""Which teams a model detector's figures are of."""

from __future__ import annotations

import numpy as np

from bench.protocol.models import figures

TEAMS = [  # split, attack, backdoored, statistic
    ("dev", "clean", False, 0.1), ("dev", "a", True, 0.9),
    ("test", "clean", False, 0.2), ("test", "benign_finetune", False, 0.6), ("test", "b", True, 0.5),
    ("far", "c", True, 0.1), ("disguised", "clean-permuted", False, 0.8)] * 2  # an AUROC needs two of each


def test_each_split_is_held_against_teams_that_it_was_not_taught_with():
    split, attack, backdoored, statistic = map(np.array, zip(*TEAMS, strict=True))
    found = {(row.split, row.against): row for row in figures(split, attack, backdoored, statistic, statistic)}
    assert {key: row.auroc.value for key, row in found.items()} == {
        ("dev", "all"): 1, ("dev", "clean"): 1,
        ("test", "all"): 0.5, ("test", "clean"): 1, ("test", "retrained"): 0, ("test", "disguised"): 0,
        ("far", "all"): 0, ("far", "clean"): 0, ("far", "retrained"): 0, ("far", "disguised"): 0}
    assert {key: row.n_others for key, row in found.items() if key[1] == "all"} == {
        ("dev", "all"): 2, ("test", "all"): 4, ("far", "all"): 4}
