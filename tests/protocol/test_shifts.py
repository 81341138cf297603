"""Benign shifts: what they change, and how false alarms are counted."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench import options
from bench.build import build
from bench.errors import BenchError
from bench.harness.configuration import option
from bench.marl.play import play
from bench.protocol.host import InProcess
from bench.protocol.shifts import Beginner, Broken, Noise, Shift, false_alarms
from bench.protocol.watch import Watched

N, SEED = 12, 5


@pytest.fixture
def usual(battles, team):
    return play(battles, team, N, SEED)


def shifted(battles, team, **parts):
    return Shift(**parts).play(battles, team, N, SEED, frozenset(), lambda *_: None)


def test_every_shipped_shift_is_one():
    for name in options.names("shift"):
        assert isinstance(build(option("shift", name), "shift"), Shift)
        assert options.summary("shift", name)


def test_no_shift_changes_nothing(battles, team, usual):
    for parts in ({}, {"sensors": Noise(0)}, {"actions": Beginner(0)}):
        found = shifted(battles, team, **parts)
        assert np.array_equal(found.observation, usual.observation)
        assert np.array_equal(found.action, usual.action)


def test_noise_is_on_what_is_seen(battles, team, usual):
    found = shifted(battles, team, sensors=Noise(0.1))
    first, before = found.observation[:, 0].astype(float), usual.observation[:, 0].astype(float)
    assert (first[before == 0] == 0).all()
    assert (first - before)[before != 0].std() == pytest.approx(0.1, rel=0.1)
    assert not (found.labels.completion >= 0).any(), "nothing completes"
    assert not found.labels.trigger.any()


@pytest.mark.parametrize("frozen", [False, True])
def test_a_broken_sensor_stays_so(frozen):
    n, agents, steps, latest = 40, 3, 12, 6
    seen = np.random.default_rng(0).normal(size=(steps, n, agents, 4)).astype(np.float32)
    sensors, everyone = Broken(frozen, latest=latest), np.ones(n, bool)
    sensors.start(SimpleNamespace(n_agents=agents, n_outsiders=2, observation_size=4), n)
    shown = np.array([sensors.cue(SimpleNamespace(observation=row), everyone & (step == 0), everyone).observation
                      for step, row in enumerate(seen)])
    edited = (shown != seen).any(-1)
    assert (edited.any(0).sum(1) == 1).all(), "one agent of each battle"
    agent = edited.any(0).argmax(1)
    assert set(agent) == {0, 1, 2}
    mine, true = shown[:, np.arange(n), agent], seen[:, np.arange(n), agent]
    first = (mine != true).any(-1).argmax(0)
    for battle in range(n):
        after = mine[first[battle]:, battle]
        last = true[first[battle] - 1, battle] if frozen else np.zeros(4)
        assert (after == last).all(), "to the end"
    assert set(first) == set(range(int(frozen), latest + 1)), "a frozen one shows one step before it repeats it"


def test_a_beginner_takes_actions_that_it_may(battles, team, usual):
    found = shifted(battles, team, actions=Beginner(1.0))
    assert np.take_along_axis(found.available, found.action[..., None].astype(int), -1)[found.mask].all()
    first = found.action[:, 0] != usual.action[:, 0]
    assert first.sum(1).max() == 1, "one agent alone"
    assert len(set(np.nonzero(first)[1])) > 1, "another one in other battles"


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Noise(-1), "sd is -1; allowed: 0 and more"), (lambda: Noise(float("nan")), "sd is nan"),
    (lambda: Broken(True, latest=-1), "latest is -1"), (lambda: Beginner(1.5), "chance is 1.5; allowed: 0 to 1")])
def test_values_that_there_are_not(make, message):
    with pytest.raises(BenchError, match=message):
        make()


class Marks:
    """Feature 0 of agent 0 at any step."""

    def fit(self, episodes):
        return self

    def score(self, episodes):
        return episodes.observation[..., 0, 0].astype(float)


def test_alarms_are_counted_at_thresholds_from_usual_battles(make_episodes):
    """Closed form: of 199 distinct greatest scores, the 198th keeps 1 %, the 190th 5 %."""
    def marked(values):
        episodes = make_episodes([4] * len(values), seed=len(values))
        episodes.observation[:] = 0
        episodes.observation[:, 2, 0, 0] = values
        return episodes

    calibration = marked(np.arange(1, 200))
    watched = Watched(marked(np.ones(5)), calibration, marked(np.full(10, 100.0)), marked(np.ones(3)))
    found = false_alarms(InProcess(Marks()), watched, {"a": marked(np.array([198.0] * 3 + [199.0])),
                                                       "b": marked(np.array([190.0, 191.0]))}, SimpleNamespace())
    assert [(one.shift, one.battles, one.at_1.value, one.at_5.value) for one in found] == [
        ("none", 10, 0, 0), ("a", 4, 0.25, 1), ("b", 2, 0, 0.5)]
    few = Watched(watched.fit, calibration[:50], watched.normal, watched.triggered)
    assert false_alarms(InProcess(Marks()), few, {}, SimpleNamespace())[0].at_1.value is None


def test_a_team_moves_to_an_environment_of_its_sizes(team):
    from bench.envs.smax import SmaxBattles

    other = SmaxBattles(team.spec.id.split("/")[1], "closest")
    assert team.moved(other.spec).spec.id == other.spec.id
    with pytest.raises(BenchError, match=f"a team made for '{team.spec.id}' cannot play in 'smax/5m_vs_6m/random'"):
        team.moved(SmaxBattles("5m_vs_6m").spec)


@pytest.mark.parametrize("name", options.names("shift"))
def test_the_same_battles_are_played_again_with_a_guard(battles, team, name):
    shift = build(option("shift", name), "shift")
    if shift.env:
        return

    class Watching:
        halts = False

        def act(self, action, *_):
            return action

        def look(self, episodes, slots):
            return np.zeros(len(slots), bool)

    first, again = (shift.play(battles, team, N, SEED, frozenset(), lambda *_: None, guard)
                    for guard in (None, Watching()))
    assert np.array_equal(first.observation, again.observation)
    assert np.array_equal(first.labels.won, again.labels.won)
