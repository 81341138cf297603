"""What teams do, against closed forms."""

import numpy as np
import pytest

from bench.conformance.episodes import SPEC
from bench.metrics.behaviour import action_shares, focus_fire, mean, paired_p

ACTION = np.array([[[0, 5, 5], [4, 5, 6]], [[1, 1, 3], [5, 6, 7]], [[0, 0, 0], [0, 0, 0]]])  # (episode, step, agent)
ACTING = np.array([[[1, 1, 1], [1, 1, 0]], [[1, 1, 1], [0, 0, 1]], [[0, 0, 0], [0, 0, 0]]], bool)


def test_action_shares():
    shares = action_shares(ACTION, ACTING, SPEC)
    assert shares[0].tolist() == pytest.approx([1 / 5, 0, 0, 0, 1 / 5, 3 / 5])
    assert shares[1].tolist() == pytest.approx([0, 2 / 4, 0, 1 / 4, 0, 1 / 4])
    assert np.isnan(shares[2]).all(), "nobody acts"
    assert SPEC.action_kinds == ("north", "east", "south", "west", "stop", "attack")


def test_focus_fire_counts_steps_with_several_attackers():
    everybody = np.ones((2, 2, 3), bool)
    action = np.array([[[5, 5, 6], [0, 5, 5]], [[5, 0, 0], [0, 0, 0]]])
    focus = focus_fire(action, everybody, SPEC)
    assert focus[0] == pytest.approx((2 / 3 + 1) / 2)
    assert np.isnan(focus[1]), "never two attackers"
    assert np.isnan(focus_fire(np.zeros((1, 2, 3), int), everybody[:1], SPEC)).all()


def test_a_mean_leaves_out_what_is_not_there():
    found = mean(np.array([1.0, np.nan, 3.0, 2.0, 2.0]))
    assert found.value == 2
    assert 1 <= found.low < 2 < found.high <= 3
    assert mean(np.array([np.nan, 1.0])).value is None


def test_paired_values():
    one = np.linspace(0, 1, 40)
    assert paired_p(one, one) is None
    assert paired_p(one, one + 0.1) < 1e-6
    other = one + np.where(np.arange(40) % 2, 0.1, -0.1) * np.linspace(0.5, 1, 40)
    assert paired_p(one, other) > 0.05
    assert paired_p(np.array([np.nan, 1.0]), np.array([1.0, np.nan])) is None
