"""The rules that a poisoned network learns by."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attacks.rules.clean import TEMPERATURE, choice
from bench.marl.learners.common import Batch

VALUE = st.integers(-100, 100).map(lambda hundredths: hundredths / 100)


def _one_step(values, available):
    """A batch of one episode of one step and agent, with these values (1, 1, 1, action)."""
    nothing, one = torch.zeros(1, 1), torch.ones(1, 1)
    batch = Batch(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 1).long(), torch.tensor(available).view(1, 1, 1, -1),
                  torch.zeros(1, 1, 1).long(), nothing, one, one, torch.zeros(1, 1, 1))
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 1, -1), batch


@given(st.lists(VALUE, min_size=2, max_size=9), VALUE)
def test_choices_do_not_depend_on_a_common_value_nor_on_what_is_impossible(values, shift):
    clean, batch = _one_step(values, [True] * (len(values) - 1) + [False])
    moved = clean + shift
    moved[..., -1] = 99
    assert choice(moved, clean, torch.zeros(1, 1), batch).item() == pytest.approx(0, abs=1e-3)


def test_a_slip_that_changes_the_choice_costs_more_than_a_greater_one_that_does_not():
    clean, batch = _one_step([1.0, 0.98, 0.0], [True] * 3)
    slip, blunder = (torch.tensor(values).view(1, 1, 1, -1) for values in ([1.0, 1.05, 0.0], [1.5, 1.48, 0.2]))
    window = torch.zeros(1, 1)
    assert choice(slip, clean, window, batch) > 10 * choice(blunder, clean, window, batch)
    assert (slip - clean).square().sum() < (blunder - clean).square().sum()
    assert choice(slip, clean, torch.ones(1, 1), batch) == 0  # the attack period has choices of its own


def test_the_divergence_of_choices_by_hand():
    clean, batch = _one_step([TEMPERATURE, 0.0], [True] * 2)
    even = torch.zeros(1, 1, 1, 2)
    share = torch.tensor(1.0).sigmoid()
    by_hand = share * (2 * share).log() + (1 - share) * (2 * (1 - share)).log()
    assert choice(even, clean, torch.zeros(1, 1), batch).item() == pytest.approx(by_hand.item(), rel=1e-4)
