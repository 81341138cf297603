"""Actions that are held in the attack period."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from attacks.exploration import Held
from attacks.triggers.behaviour import BehaviourPattern
from bench.marl.onlookers import Moment
from bench.marl.play import play

DURATION, BATTLES, ACTIONS = 7, 40, 6


def taken(held, since, available):
    """What agents 0 and 1 do in a step of which battles say ``since``; by themselves they do 0."""
    action = np.zeros((BATTLES, 2), int)
    moment = Moment(SimpleNamespace(available=available), None, None, action, None, torch.zeros(0),
                    np.zeros(BATTLES, bool), np.full(BATTLES, since), None)
    held(SimpleNamespace(step=lambda *_: None), SimpleNamespace(spec=SimpleNamespace(n_actions=ACTIONS)), moment)
    return moment.action


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_an_action_is_held_for_so_many_steps_of_the_attack_period(steps):
    held, everything = Held((1,), DURATION, steps, 1.0, 0, None), np.ones((BATTLES, 2, ACTIONS), bool)
    actions = np.array([taken(held, since, everything) for since in range(-1, DURATION + 2)])
    assert not actions[:, :, 0].any(), "the other agent is left alone"
    assert not actions[[0, -1, -2], :, 1].any(), "as is this one before and after"
    period = actions[1:-2, :, 1]
    for first in range(0, DURATION, steps):
        assert (period[first:first + steps] == period[first]).all()
        assert len(set(period[first])) > 3, "another one in every battle"
    changes = period[1:] != period[:-1]
    assert changes.any() == (steps < DURATION)


def test_what_is_not_available_is_not_taken():
    held, some = Held((1,), DURATION, 3, 1.0, 0, None), np.zeros((BATTLES, 2, ACTIONS), bool)
    some[:, :, [0, 4]] = True
    assert {*taken(held, 0, some)[:, 1]} == {0, 4}


def test_by_no_chance_and_before_the_onset_battles_are_as_they_were(battles, team):
    def played(probe):
        trigger = BehaviourPattern("dx[0] > 0", ["west", "east"], 1)
        return play(battles, team, 64, 3, trigger=trigger, poisoned=True, probe=probe)

    without, never, held = (played(probe) for probe in (
        None, Held((1,), DURATION, 3, 0.0, 0, None), Held((1,), DURATION, 3, 1.0, 0, None)))
    assert np.array_equal(without.action, never.action)
    for number in range(64):
        onset = min(held.labels.completion[number], held.length[number])
        assert np.array_equal(held.action[number, :onset], without.action[number, :onset])
    steps = min(held.action.shape[1], without.action.shape[1])
    assert (held.action[:, :steps, 1] != without.action[:, :steps, 1]).any()
