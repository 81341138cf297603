"""What every shipped detector promises, on synthetic episodes."""

import numpy as np
import pytest
from sklearn.base import clone

from attacks.triggers.behaviour import BehaviourPattern
from bench import options
from bench.contracts import MOVES
from bench.errors import DetectorError
from bench.harness.build import build, option
from bench.marl.play import play
from detectors import EnemyMoves, IsolationForestDetector, NGram, Step, Window
from detectors.views import EAST, STILL, UNSEEN, WEST

NAMES = options.names("detector")


@pytest.fixture
def detector(request):
    return build(option("detector", request.param), "detector")


@pytest.mark.parametrize("detector", NAMES, indirect=True)
def test_the_contract(detector, make_episodes):
    fit, test = make_episodes([9, 6, 7] * 5, seed=1).public(), make_episodes([8, 1, 5], seed=2).public()
    fresh = clone(detector)
    assert fresh.fit(fit) is fresh
    scores = np.asarray(fresh.score(test))
    assert scores.shape in (test.mask.shape, test.alive.shape)
    assert np.isfinite(scores).all()
    assert np.array_equal(scores, clone(detector).fit(fit).score(test)), "the same seed gives the same scores"
    reverse = np.asarray(fresh.score(test[::-1]))[::-1]
    assert np.allclose(reverse, scores, atol=1e-5), "no episode's score depends on the others"


@pytest.mark.parametrize("detector", NAMES, indirect=True)
def test_the_future_changes_nothing(detector, make_episodes):
    detector.fit(make_episodes([9] * 12, seed=1).public())
    test = make_episodes([8, 8], seed=2)
    before = np.asarray(detector.score(test.public()))
    for column in (test.observation, test.hidden, test.q, test.reward):
        column[:, 5:] += 3
    test.action[:, 5:] = 0
    test.available[:, 5:, :, 1:] = False
    test.alive[:, 6:] = False
    after = np.asarray(detector.score(test.public()))
    assert np.allclose(before[:, :5], after[:, :5])


@pytest.mark.parametrize("view", [Step(), Window(3)])
def test_wild_observations_score_higher(view, make_episodes):
    detector = IsolationForestDetector(view).fit(make_episodes([20] * 20, seed=1).public())
    test = make_episodes([10, 10], seed=2)
    test.observation[1, 4, 0] = 8.0
    scores = detector.score(test.public())
    assert scores[1, 4, 0] > scores[:, :4].max()
    assert scores[1, 4, 0] > scores[0].max()


def test_the_dead_score_nothing(make_episodes):
    test = make_episodes([6, 3])
    test.alive[:] = False
    scores = IsolationForestDetector().fit(make_episodes([9] * 9).public()).score(test.public())
    assert not scores.any()


def test_a_window_looks_back_and_begins_with_zeros(make_episodes):
    episodes = make_episodes([5, 5])
    seen, window = episodes.observation, Window(3)(episodes)
    assert window.shape == (2, 5, 2, 63)
    assert np.array_equal(window[:, 4], np.concatenate([seen[:, 2], seen[:, 3], seen[:, 4]], -1))
    assert not window[:, 0, :, :42].any()
    assert np.array_equal(window[:, 0, :, 42:], seen[:, 0])
    assert np.array_equal(Window(1)(episodes), Step()(episodes))


def test_enemy_moves_are_what_the_enemies_did(battles, team):
    """Orders given by a trigger, as the agents that see the unit are told of them."""
    trigger = BehaviourPattern("distance[0] < 1", ["west", "east", "stop"], 0)
    episodes = play(battles, team, 40, 0, trigger=trigger, poisoned=True, record=("orders",))
    moves = EnemyMoves()(episodes.public())
    names = {MOVES["west"]: WEST, MOVES["east"]: EAST, MOVES["stop"]: STILL}
    checked = 0
    for episode, step, enemy in np.argwhere(episodes.labels.orders[:, :-1] >= 0):
        if not episodes.mask[episode, step + 1]:
            continue
        told = moves[episode, step + 1, :, enemy]
        assert set(told) <= {UNSEEN, names[episodes.labels.orders[episode, step, enemy]]}
        checked += (told != UNSEEN).any()
    assert checked > 20


def test_observations_of_another_simulator(make_episodes):
    with pytest.raises(DetectorError, match="observations of 5 features of 2 agents are not laid out as SMAX's"):
        NGram().fit(make_episodes([4], features=5).public())
