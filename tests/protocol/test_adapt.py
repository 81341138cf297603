"""What an attacker lowers and keeps, and what he watches for."""

import numpy as np
import pytest

from attacks.triggers.behaviour import BehaviourPattern
from bench.contracts import NEVER, Estimate
from bench.marl.learners.q import Learning, QLearner
from bench.marl.play import Player, play
from bench.protocol.adapt import Bounds, Lookout, Trial, best

BOUNDS = Bounds(min_asr=0.8, max_cpvr=0.05, max_accidents=0.01)


def trial(before=0.5, after=0.5, asr=0.9, cpvr=0.0):
    return Trial(Estimate(asr), Estimate(cpvr), Estimate(1.0), Estimate(before), Estimate(after), Estimate(0.7))


@pytest.mark.parametrize(("objective", "value"), [("before", 0.2), ("after", 0.6), ("whole", 0.7), ("worst", 0.6)])
def test_what_is_lowered(objective, value):
    assert trial(0.2, 0.6).objective(objective) == value


def test_what_is_not_known_is_not_low():
    assert trial(None, 0.6).objective("worst") == np.inf
    assert best([trial(None), trial(0.9)], [0, 0], BOUNDS, "before", 2) == [1]


def test_the_lowest_within_the_bounds_come_first():
    trials = [trial(0.9), trial(0.1, asr=0.79), trial(0.3), trial(0.1, cpvr=0.06), trial(0.1, asr=None), trial(0.0),
              trial(0.3, asr=0.95)]
    accidents = [0, 0, 0, 0, 0, 0.02, 0.01]
    assert best(trials, accidents, BOUNDS, "before", 10) == [6, 2, 0], "of equals, the more harmful"
    assert best(trials, accidents, BOUNDS, "before", 1) == [6]


@pytest.mark.slow
def test_the_lookout_counts_what_each_trigger_would_find(battles_skirmish):
    team = QLearner(Learning.of("vdn", steps=1), battles_skirmish.spec, 0).team()
    triggers = [BehaviourPattern("distance[0] < 1.0", zeta, 1) for zeta in (["west"], ["west", "east"], ["stop"])]
    player = Player(battles_skirmish, 3, trigger=Lookout(triggers), limit=150)
    player.play(team, 150)
    alone = [(play(battles_skirmish, team, 150, 3, trigger=one).labels.completion != NEVER).sum() for one in triggers]
    assert player.trigger.counts.tolist() == alone
    assert 0 < alone[1] < alone[0]
