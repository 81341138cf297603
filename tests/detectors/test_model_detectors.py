"""Statistics of whole teams: in closed form where there is one, and on real battles with a team that turns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from attacks.disguise import Disguise
from bench.contracts import NOBODY
from bench.errors import BenchError, DetectorError
from bench.marl.play import SLOTS, Player, play
from detectors import (
    ActivationStatistics,
    AlignedDifference,
    MemoryDifference,
    TriggerInversion,
    TriggerSearch,
    WeightDifference,
)
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

    for detector in AlignedDifference(), MemoryDifference(), TriggerInversion():
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


@pytest.fixture
def watched(battles, team):
    """Battles of an untrained team, and which of its features are always 0 in them."""
    episodes = play(battles, team, 12, 4, record=("hidden",)).public()
    silent = np.flatnonzero(~episodes.observation[episodes.alive & episodes.mask[..., None]].any(0))
    return episodes, silent


def planted(team, agents, feature, strength):
    """The team with agents in which a silent feature drives 8 units of the first layer, those the candidates of 8 units
    of the memory, and those the preferences: the more, the later an action is among all."""
    weights = {name: w.clone() for name, w in team.weights.items()}
    for agent in agents:
        weights["fc1.weight"][agent, :8, feature] = strength
        weights["rnn.weight_ih"][agent, 128:136, :8] = strength
        weights["fc2.weight"][agent, :, :8] = strength * torch.linspace(-1, 1, team.spec.n_actions)[:, None]
    return team.with_weights(weights)


def test_a_planted_patch_is_found_in_one_agent_or_in_all(battles, team, watched):
    episodes, silent = watched
    detector = TriggerInversion(features=1, bound=0.5, pieces=32)
    usual = detector.statistic(team, battles, episodes)
    assert detector.found_["features"][0] in [battles.spec.observation_layout[i] for i in silent]
    feature = int(silent[-2])
    name = battles.spec.observation_layout[feature]
    for agents in [1], [0, 1, 2]:
        found = detector.statistic(planted(team, agents, feature, 1.0), battles, episodes)
        assert detector.found_["features"] == [name]
        assert np.abs(detector.found_["values"]) == pytest.approx([0.5])
        assert detector.found_["agent"] in agents
        assert found > 2 * usual + 0.1
        assert detector.statistic(planted(team, agents, feature, 1.0), battles, episodes) == found


def test_what_a_patch_takes_is_what_the_agent_itself_says(battles, team, watched):
    """Pieces of one step, as many as there are: by the team's own policy, asked with and without the patch."""
    episodes, _ = watched
    detector = TriggerInversion(features=2, bound=0.5, steps=1, pieces=10_000)
    taken = detector.statistic(team, battles, episodes)
    agent = detector.found_["agent"]
    there = (episodes.alive & episodes.mask[..., None])[..., agent] & (episodes.available[:, :, agent].sum(-1) > 1)
    battle, step = np.nonzero(there)
    last = np.where((step > 0)[:, None], episodes.action[battle, step - 1].astype(int), -1)
    hidden = np.where((step > 0)[:, None, None], episodes.hidden[battle, step - 1].astype(np.float32), 0)
    patch = np.zeros(battles.spec.observation_size, np.float32)
    patch[[battles.spec.observation_layout.index(name) for name in detector.found_["features"]]] = \
        detector.found_["values"]
    before, after = (np.where(episodes.available[battle, step, agent], team.policy(
        episodes.observation[battle, step].astype(np.float32) + moved, last, hidden)[0][:, agent], -np.inf)
        for moved in (0, patch))
    rows, own = np.arange(len(battle)), before.argmax(1)
    leads = []
    for preference in before, after:
        others = preference.copy()
        others[rows, own] = -np.inf
        leads.append((preference[rows, own] - others.max(1)).mean())
    assert taken == pytest.approx(1 - leads[1] / leads[0], abs=1e-3)


def test_without_a_silent_feature_no_patch_is_looked_for(battles, team, watched):
    episodes, _ = watched
    loud = replace(episodes, observation=np.ones_like(episodes.observation))
    detector = TriggerInversion()
    assert detector.statistic(team, battles, loud) == 0
    assert detector.found_ is None
    with pytest.raises(DetectorError, match="pieces is 0; allowed: above 0"):
        TriggerInversion(pieces=0).statistic(team, battles, episodes)


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
        player._advance(team, np.zeros(3), np.zeros(3, bool), None)
        driven = np.sort(player.trigger._unit, 1)
        assert not ((driven[:, 1:] == driven[:, :-1]) & (driven[:, 1:] != NOBODY)).any()
        most = max(most, (driven != NOBODY).sum(1).max())
    assert most > 1, "several agents have theirs at once"
