"""The search for what costs a team most, and its imitation."""

import numpy as np
import pytest

from attacks.backdoor import Backdoor
from attacks.injection import Injection, Retraining
from attacks.payloads.fast_failing import START, FastFailing, Puppet, Retreat
from attacks.triggers.always import Always
from attacks.triggers.behaviour import BehaviourPattern
from bench.contracts import MOVES
from bench.errors import BenchError
from bench.marl.play import Player, play

ANYTHING = np.ones(9, bool)


def place(*units):
    return np.array([units], float), np.ones((1, len(units)), bool)


def retreat(**weights):
    names = ("far", "far_at", "near", "near_at", "enemy", "enemy_at", "east", "sideways")
    return Retreat(np.array([weights.get(name, 0.0) for name in names]), agent=0, agents=2)


@pytest.mark.parametrize(("weights", "expected"), [
    ({"east": 1}, "east"),
    ({"east": -1}, "west"),
    ({"far": 1, "far_at": 5}, "south"),  # the mate is 2 to the north
    ({"near": 1, "near_at": 1}, "north"),
    ({"enemy": 1, "enemy_at": 9}, "west"),  # the enemy is 4 to the east
    ({"enemy": 1, "enemy_at": 4}, "stop"),
    ({"sideways": -1}, "north"),  # towards the height of the mate
    ({"sideways": 1}, "south")])
def test_a_retreat_goes_where_its_weights_say(weights, expected):
    position, alive = place((10, 10), (10, 12), (14, 10))
    assert retreat(**weights).act(position, alive, ANYTHING[None])[0] == MOVES[expected]


def test_only_the_living_count_and_only_available_moves_are_made():
    position, alive = place((10, 10), (10, 12), (14, 10))
    alive[0, 2] = False
    away = retreat(enemy=1, enemy_at=9, east=1e-3)
    assert away.act(position, alive, ANYTHING[None])[0] == MOVES["east"], "nobody is left to flee from"
    dead = np.zeros((1, 9), bool)
    dead[0, MOVES["stop"]] = True
    assert away.act(position, alive, dead)[0] == MOVES["stop"]


def test_what_is_to_be_imitated_is_what_the_puppet_did(battles, team):
    """The targets, worked out from the record, are the actions that were played."""
    goes = Retreat(START, 1, 3)
    trigger = BehaviourPattern("dx[0] > 0", ["west", "east"], 1)
    episodes = play(battles, team, 64, 3, trigger=trigger, poisoned=True, probe=Puppet(goes),
                    record=("position", "health"))
    own = play(battles, team, 64, 3, trigger=trigger, poisoned=True, record=("position", "health"))
    attack = episodes.labels.attack(1_000) & episodes.mask
    assert attack.any()
    replayed = goes.act(episodes.labels.position, episodes.labels.health > 0, episodes.available[:, :, 1])
    assert not np.array_equal(episodes.action, own.action)
    # the record holds what the team chose; what was played shows in where the agent is a step later
    position = episodes.labels.position[:, :, 1]
    moved = position[:, 1:] - position[:, :-1]
    sure = attack[:, :-1] & episodes.mask[:, 1:] & (episodes.labels.health[:, 1:, 1] > 0)
    west = sure & (replayed[:, :-1] == MOVES["west"])
    assert west.any()
    assert (moved[west][:, 0] <= 0).all()


def test_a_search_that_goes_on_ends_as_one_in_one_go(battles, team):
    payload = FastFailing(generations=3, population=4, battles=8)
    history = []
    whole = payload.prepare(team, battles, Always(), (1,), history, lambda *_: None)
    assert np.shape(history) == (3, 4)
    resumed = payload.prepare(team, battles, Always(), (1,), history[:2], lambda *_: None)
    assert np.array_equal(whole.weights, resumed.weights)
    again = payload.prepare(team, None, Always(), (1,), history, lambda *_: None)  # plays nothing
    assert np.array_equal(whole.weights, again.weights)


def test_imitation_learns_the_actions(battles, team):
    retraining = Retraining(batch=64, updates_per_round=150, learning_rate=3e-3)
    injection = Injection(team, battles, Always(), FastFailing(), (1,), 1_000, 1.0, "imitated", retraining, 0)
    injection.behaviour = Retreat(START, 1, 3)
    episodes = Player(battles, 0, trigger=Always(), poison_rate=1.0,
                      record=("state", "q", "position", "health")).play(team, 64)
    own = injection._own(episodes)

    class Fixed:
        def sample(self, n, rng):
            return own

    before = agreement(injection, own)
    injection._learn({True: Fixed()})
    assert before < 0.7 < 0.85 < agreement(injection, own)


def agreement(injection, own):
    """Share of the living agent's steps in which its greedy action is the wanted one."""
    from bench.marl.learner import to_batch
    q = injection.unroll(injection.agent, to_batch(own)).detach().transpose(0, 1).numpy()
    chosen = np.where(own.available, q, -np.inf).argmax(-1)
    living = own.mask & own.alive[:, :, 1]
    return (chosen == injection.behaviour.targets(own))[living].mean()


def test_only_one_agent_can_retreat(battles, team, store):
    attack = Backdoor("test", Always(), FastFailing(), learning="imitated")
    attack.victim = 1
    with pytest.raises(BenchError, match="for one agent; poisoned are 2"):
        FastFailing().prepare(team, battles, Always(), (0, 1), [], lambda *_: None)
