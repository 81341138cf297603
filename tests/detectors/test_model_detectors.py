"""Statistics of whole teams: in closed form where there is one, and on real battles with a team that turns."""

from dataclasses import replace

import numpy as np
import pytest

from attacks.disguise import Disguise
from bench.contracts import NOBODY
from bench.errors import BenchError, DetectorError
from bench.marl.play import SLOTS, Player
from detectors import ActivationStatistics, AlignedDifference, MemoryDifference, TriggerSearch, WeightDifference
from detectors.trigger_search import Drive

MOVES = {name: number for number, name in enumerate(("north", "east", "south", "west", "stop"))}

SMALL = {"length": 1, "reaches": (1.3,), "screening": 32, "rounds": ((4, 8), (1, 32)), "baseline": 32}


def changed(team, agents, factor):
    """The team with the weights of some agents multiplied by a factor."""
    weights = {name: w.clone() for name, w in team.weights.items()}
    for w in weights.values():
        w[agents] *= factor
    return team.with_weights(weights)


def test_weights_of_one_agent(team, battles):
    detector = WeightDifference()
    assert detector.statistic(team, battles, None) == 0
    assert detector.statistic(changed(team, [1], 1.3), battles, None) == pytest.approx(0.3, rel=1e-4)
    assert detector.statistic(changed(team, [0, 1, 2], 1.3), battles, None) == 0, "a backdoor in all agents is not seen"


def with_weights(team, agent, **factors):
    """The team with some weights of an agent multiplied by a factor; ``_`` in a name stands for the point."""
    weights = {name: w.clone() for name, w in team.weights.items()}
    for name, factor in factors.items():
        weights[name.replace("_", ".", 1)][agent] *= factor
    return team.with_weights(weights)


def test_memory_and_what_is_seen_are_told_apart(team, battles):
    """The first layer in units of size 1: what a factor on it does is in the weights that read it."""
    detector = MemoryDifference(least=0.05)
    assert detector.statistic(team, battles, None) == 0
    remembers = with_weights(team, 2, rnn_weight_hh=1.3)
    assert detector.statistic(remembers, battles, None) == pytest.approx(0.3 / 0.05, rel=1e-3)
    assert detector.statistic(with_weights(team, 2, fc1_weight=1.3), battles, None) == pytest.approx(0, abs=1e-3)
    both = with_weights(remembers, 2, rnn_weight_ih=1.5)
    assert detector.statistic(both, battles, None) == pytest.approx(0.3 / 0.05, rel=1e-3)
    assert AlignedDifference().statistic(both, battles, None) > AlignedDifference().statistic(remembers, battles, None)


@pytest.mark.parametrize("changes", [["permuted"], ["unused_inputs", "permuted"]])
def test_disguises_are_no_difference_once_units_are_aligned(changes, team, battles):
    disguise = Disguise.of(changes)
    for detector in AlignedDifference(), MemoryDifference():
        assert detector.statistic(disguise(team, 3), battles, None) == pytest.approx(0, abs=1e-4)
        for suspect in with_weights(team, 0, rnn_weight_hh=1.3, fc2_weight=1.1), changed(team, [1], 0.8):
            assert detector.statistic(disguise(suspect, 3), battles, None) == pytest.approx(
                detector.statistic(suspect, battles, None), rel=1e-3)
    assert WeightDifference().statistic(disguise(team, 3), battles, None) > 0.5


def test_agents_without_such_units(team, battles):
    """A kind of team that is none of ours."""
    class Other:
        algo, architecture = "theirs", "transformer"

    for detector in AlignedDifference(), MemoryDifference():
        with pytest.raises(DetectorError, match="recurrent networks, and this theirs team"):
            detector.statistic(Other(), battles, None)


def test_an_agent_unlike_its_teammates(make_episodes):
    """One of three deviates by d in every unit: its own distance is d, that of each other one d / 2."""
    episodes = make_episodes([30] * 40, agents=3)
    detector = ActivationStatistics()
    usual = detector.statistic(None, None, episodes.public())
    rng = np.random.default_rng(0)
    episodes.hidden[:] = rng.normal(0, 0.1, episodes.hidden.shape)
    episodes.preference[:] = rng.normal(0, 1, episodes.preference.shape)
    episodes.hidden[:, :, 1] += 0.5
    episodes.preference[:, :, 1] *= 4
    deviating = detector.statistic(None, None, episodes.public())
    assert 1 <= usual < 1.9 < deviating
    assert deviating == pytest.approx(2, rel=0.02)


def test_what_the_dead_remember_does_not_count(make_episodes):
    episodes = make_episodes([20, 9], agents=3)
    episodes.alive[:, 5:, 2] = False
    before = ActivationStatistics().statistic(None, None, episodes.public())
    episodes.hidden[:, 5:, 2] = 9
    episodes.preference[:, 5:, 2] = -99
    episodes.hidden[1, 9:] = 9
    assert ActivationStatistics().statistic(None, None, episodes.public()) == before


def test_activations_that_were_not_recorded(make_episodes):
    with pytest.raises(DetectorError, match="ActivationStatistics needs the column 'hidden'"):
        ActivationStatistics().statistic(None, None, replace(make_episodes([3]), hidden=None))


class Rigged:
    """Real battles with another reward: 1 a step until an enemy unit is ordered north, and 0 from then on."""

    def __init__(self, battles):
        self._battles, self.spec = battles, battles.spec

    def __getattr__(self, name):
        return getattr(self._battles, name)

    def step(self, actions, orders=None):
        step = self._battles.step(actions, orders)
        self._turned |= (orders == MOVES["north"]).any(1)
        return replace(step, reward=np.where(step.done, 0, np.where(self._turned, 0.0, 1.0)).astype(np.float32))

    def reset(self, seed, battles):
        self._turned = np.zeros(len(battles), bool)
        return self._battles.reset(seed, battles)

    def replace(self, slots, battles):
        self._turned[slots] = False
        return self._battles.replace(slots, battles)


def test_the_search_finds_the_move_that_costs_the_return(battles, team):
    detector = TriggerSearch(**SMALL)
    harmless = detector.statistic(team, battles)
    found = detector.statistic(team, Rigged(battles))
    assert detector.found_["moves"] == ["north"]
    assert abs(harmless) < 1 < found


def test_the_same_search_finds_the_same(battles, team):
    one, other = TriggerSearch(**SMALL), TriggerSearch(**SMALL)
    assert one.statistic(team, battles) == other.statistic(team, battles)
    assert one.found_ == other.found_


@pytest.mark.parametrize("wrong", [
    {"length": 0}, {"length": 7}, {"reaches": ()}, {"reaches": (0.5, -1)}, {"rounds": ()}, {"rounds": ((4, 0),)},
    {"screening": 0}, {"baseline": 0}])
def test_a_search_of_nothing(battles, team, wrong):
    (name,) = wrong
    with pytest.raises(BenchError, match=f"{name} is .*; allowed"):
        TriggerSearch(**(SMALL | wrong)).statistic(team, battles)


def test_units_are_driven_near_their_agents(battles, team):
    """In every battle a unit within reach of agent 1 makes the battle's own moves, one a step, and is let go."""
    rng = np.random.default_rng(0)
    n = SLOTS + 30
    moves, reach = rng.integers(4, size=(n, 3, 4)), np.zeros((n, 3))
    reach[:, 1] = 1.2
    player = Player(battles, 5, trigger=Drive(moves, reach), poison_rate=1.0, record=("orders", "position"), limit=n)
    episodes = player.play(team, n)
    labels, played = episodes.labels, episodes.mask[..., None]
    driven = complete = 0
    for battle, orders, position in zip(labels.battle, np.where(played, labels.orders, NOBODY), labels.position,
                                        strict=True):
        steps, units = np.nonzero(orders != NOBODY)
        if not len(steps):
            continue
        driven += 1
        assert len(set(steps)) == len(steps), "one unit at a time"
        offset = position[steps[0], 3 + units[0]] - position[steps[0], 1]
        assert np.linalg.norm(offset) < 1.2 * battles.spec.sight_range[1]
        last = units[-1]
        made = orders[steps[units == last], last]
        assert made.tolist() == moves[battle, 1, : len(made)].tolist()
        complete += len(made) == 4
    assert driven > 0.9 * n
    assert complete > 0.8 * n


def test_agents_do_not_share_a_unit(battles, team):
    drive = Drive(np.zeros((SLOTS, 3, 4), int), np.full((SLOTS, 3), 1.2))
    player = Player(battles, 5, trigger=drive, poison_rate=1.0, limit=SLOTS)
    most = 0
    for _ in range(15):
        player._advance(team, np.zeros(3), None)
        driven = np.sort(player.trigger._unit, 1)
        assert not ((driven[:, 1:] == driven[:, :-1]) & (driven[:, 1:] != NOBODY)).any()
        most = max(most, (driven != NOBODY).sum(1).max())
    assert most > 1, "several agents have theirs at once"
