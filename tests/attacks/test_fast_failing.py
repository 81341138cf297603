"""The search for what costs a team most, and its imitation."""

import numpy as np
import pytest

from attacks.injection import Injection, Retraining
from attacks.payloads.fast_failing import FastFailing, Puppet, Walk
from attacks.payloads.reward import HackedReward
from attacks.triggers.always import Always
from attacks.triggers.behaviour import BehaviourPattern
from bench.contracts import NEVER
from bench.errors import BenchError
from bench.marl.learners.common import to_batch
from bench.marl.play import Player, play

MOVES = {name: number for number, name in enumerate(("north", "east", "south", "west", "stop"))}

SHORT = FastFailing(first=3, fewest=2, most=4, battles=8)


def test_a_walk_goes_stands_and_respects_what_is_possible(battles):
    anything, dead = np.ones(9, bool), np.arange(9) == MOVES["stop"]
    walk = Walk("north", 2)
    assert walk.act(np.array([0, 1, 2, 9]), np.stack([anything] * 4), battles.spec).tolist() == [
        MOVES["north"], MOVES["north"], MOVES["stop"], MOVES["stop"]]
    assert walk.act(np.array([0]), dead[None], battles.spec)[0] == MOVES["stop"]


def test_where_there_is_nowhere_to_walk_to_other_actions_are_tried(battles, team):
    blocking = FastFailing(first=2, fewest=0, most=1, battles=8, ways=("attack 0", "north"), still="east")
    found = blocking.prepare(team, battles, Always(), (1,), [], lambda *_: None)
    assert found.then == "east"
    assert {way.direction for way in blocking.directions()} == {"attack 0", "north"}
    with pytest.raises(BenchError, match="action"):
        FastFailing(ways=("faster",)).require(battles.spec)


def test_what_is_to_be_imitated_is_what_the_puppet_does(battles, team):
    trigger = BehaviourPattern("dx[0] > 0", ["west", "east"], 1)
    walk = Walk("north", 4)
    episodes = play(battles, team, 64, 3, trigger=trigger, poisoned=True, probe=Puppet(walk, [1]),
                    record=("position", "extras.health"))
    shown = np.nonzero(episodes.labels.completion != NEVER)[0]
    assert len(shown) > 10
    target = walk.targets(episodes)[:, :, 1]
    position, health = episodes.labels.position[:, :, 1], episodes.labels.extras["health"][:, :, 1]
    moved = position[:, 1:] - position[:, :-1]
    attack = episodes.labels.attack(1_000)[:, :-1] & episodes.mask[:, 1:] & (health[:, 1:] > 0)
    away, standing = (attack & (target[:, :-1] == MOVES[name]) for name in ("north", "stop"))
    assert away.any()
    assert standing.any()
    assert (moved[away][:, 1] > 0).mean() > 0.9  # others may stand in the way
    assert (np.abs(moved[standing]).max(1) < 0.3).mean() > 0.9  # and push


def test_the_search_takes_the_best_and_goes_on_where_it_was(battles, team):
    history, notes = [], []
    whole = SHORT.prepare(team, battles, Always(), (1,), history, lambda share, _: notes.append(share))
    assert np.shape(history) == (7, 1)
    assert notes == sorted(notes)
    assert notes[-1] == 1
    returns = np.ravel(history)
    assert whole == Walk(("west", "north", "south", "east")[returns[:4].argmin()], 2 + returns[4:].argmin())
    for known in (2, 5, 7):  # as after a kill; with all known, nothing is played
        resumed = SHORT.prepare(team, battles if known < 7 else None, Always(), (1,), history[:known], lambda *_: None)
        assert resumed == whole


@pytest.mark.slow
def test_imitation_learns_the_walk(battles, team):
    retraining = Retraining.of(steps=1, batch=64, updates_per_round=250, learning_rate=3e-3)
    injection = Injection(team, battles, Always(), SHORT, (1,), 20, 1.0, "imitated", retraining, 0)
    injection.rule.behaviour = Walk("north", 100)
    own = injection.rule.keep(Player(battles, 0, trigger=Always(), poison_rate=1.0, record=("state",)).play(team, 64))

    class Fixed:
        def sample(self, n, rng, newest=None):
            return own

    before = agreement(injection, own)
    injection._learn({True: Fixed()})
    assert before < 0.7 < 0.9 < agreement(injection, own)


def agreement(injection, own):
    """Share of the living agent's steps in which its greedy action is the wanted one."""
    q = injection.pupil.unroll(injection.pupil.agent, to_batch(own)).detach().transpose(0, 1).numpy()
    chosen = np.where(own.available, q, -np.inf).argmax(-1)
    living = own.mask & own.alive[:, :, 1]
    return (chosen == injection.rule.behaviour.targets(own))[living].mean()


def test_imitation_goes_on_after_the_attack_period_and_rewards_do_not(battles, team):
    trigger = BehaviourPattern("dx[0] > 0", ["west", "east"], 1)
    how = Retraining.of(steps=1)
    rewarded, imitated = (Injection(team, battles, trigger, payload, (1,), 3, 0.5, learning, how, 0).rule
                          for payload, learning in ((HackedReward(), "distilled"), (SHORT, "imitated")))
    episodes = Player(battles, 0, trigger=trigger, poison_rate=0.5, record=("state",)).play(team, 64)
    by_reward, by_action = rewarded.window(episodes), imitated.window(episodes)
    assert by_reward.sum(1).max() == 3
    shown = (episodes.labels.completion != NEVER) & episodes.labels.poisoned
    assert np.array_equal(by_action.sum(1)[shown], (episodes.length - episodes.labels.completion)[shown])
    assert not by_action[~shown].any()
    assert np.array_equal(imitated.keep(episodes).mask, episodes.mask)


def test_several_agents_walk_and_nobody_else(battles, team):
    walked, without = (play(battles, team, 64, 3, trigger=Always(), poisoned=True, record=("position",), probe=probe)
                       for probe in (Puppet(Walk("west", 3), [0, 2]), None))
    moved, plain = (episodes.labels.position[:, 2] - episodes.labels.position[:, 0] for episodes in (walked, without))
    assert (moved[:, [0, 2], 0] < plain[:, [0, 2], 0]).mean() > 0.9
    assert (moved[:, 1] == plain[:, 1]).all(-1).mean() > 0.5  # those who walk may push somebody


def test_walks_that_are_none():
    with pytest.raises(BenchError, match="walks of 5 to 4 steps"):
        FastFailing(fewest=5, most=4)
