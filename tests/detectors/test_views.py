"""Views: what each means on a battle made by hand, and what all of them promise."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from attacks.triggers.behaviour import BehaviourPattern
from bench import options
from bench.build import build
from bench.errors import DetectorError
from bench.harness.configuration import option
from bench.marl.play import play
from detectors import Actions, Differences, EnemyMoves, Hidden, Pooled, QValues, Step, TeamActions, Units, Window
from detectors.views import needs
from detectors.views.observation import FIRST, STILL, UNSEEN, layout

NORTH, EAST, SOUTH, WEST = range(FIRST, FIRST + 4)

MOVES = {name: number for number, name in enumerate(("north", "east", "south", "west", "stop"))}

NAMES = options.names("view")


@pytest.fixture
def recorded(make_episodes):
    """Synthetic episodes with all that can be recorded."""

    def make(lengths, **options):
        episodes = make_episodes(lengths, **options)
        rng = np.random.default_rng(7)
        return replace(episodes, hidden=rng.normal(size=(*episodes.alive.shape, 5)).astype(np.float16),
                       preference=rng.normal(size=episodes.available.shape).astype(np.float32))

    return make


@pytest.mark.parametrize("name", NAMES)
def test_the_promises_of_every_view(name, recorded):
    view = clone(build(option("view", name), "view"))
    episodes = recorded([7, 1, 4])
    episodes.alive[0, 3:, 1] = False
    episodes.available[~episodes.alive] = False
    seen = view(episodes.public())
    assert seen.dtype == np.float32
    assert seen.shape[:-1] in (episodes.alive.shape, episodes.mask.shape)
    assert np.isfinite(seen).all()
    assert len(np.unique(seen)) > 1
    early = {column: getattr(episodes, column)[:, :4].copy()
             for column in ("observation", "available", "action", "reward", "alive", "mask", "hidden", "preference")}
    assert np.array_equal(view(replace(episodes, **early)), seen[:, :4]), "no view knows the future"
    assert np.array_equal(view(episodes[::-1].public()), seen[::-1])


@pytest.mark.parametrize("view", [Hidden(), Window(2, Hidden()), Pooled(Differences(Hidden()))])
def test_a_view_says_what_it_needs(view, make_episodes):
    assert needs(view) == ("hidden",)
    with pytest.raises(DetectorError, match="Hidden needs the column 'hidden' .* recorded without"):
        view(replace(make_episodes([3]).public(), hidden=None))
    assert needs(Window(2)) == needs(None) == ()


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


def test_differences_are_since_the_step_before(make_episodes):
    episodes = make_episodes([5])
    episodes.observation[0, :, 0, 0] = [1, 1, 4, 2, 2]
    assert Differences()(episodes)[0, :, 0, 0].tolist() == [0, 0, 3, -2, 0]


def test_units_are_parts_of_the_observation(make_episodes):
    episodes = make_episodes([3])  # one ally, one enemy, one type
    episodes.observation[..., :8], episodes.observation[..., 8:16], episodes.observation[..., 16:] = 1, 2, 3
    for kind, value, size in (("allies", 1, 8), ("enemies", 2, 8), ("own", 3, 5)):
        seen = Units(kind)(episodes)
        assert seen.shape == (1, 3, 2, size)
        assert (seen == value).all()
    with pytest.raises(DetectorError, match=r"unknown kind of unit 'enemy'.*did you mean 'enemies'"):
        Units("enemy")(episodes)


def test_units_of_real_observations(battles, team):
    """The own part is the agent's health, place, cooldown and type; the dead see nothing."""
    episodes = play(battles, team, 8, 0, record=("extras.health",))
    own = Units("own")(episodes.public())
    alive = episodes.alive & episodes.mask[..., None]
    assert own[..., 0][alive] == pytest.approx(episodes.labels.extras["health"][:, :, :3][alive], abs=1e-3)
    assert Units("allies")(episodes).shape[-1] + Units("enemies")(episodes).shape[-1] + own.shape[-1] \
        == battles.spec.observation_size


def test_what_q_values_mean(recorded):
    episodes = recorded([3], agents=1, features=13)
    episodes.available[0] = [[[1, 1, 1, 0, 0, 0]], [[0, 0, 1, 0, 0, 0]], [[1, 1, 0, 0, 0, 0]]]
    episodes.preference[0, :, 0] = [[1, 3, 2.5, 9, 9, 9], [9, 9, 4, 9, 9, 9], [0, 0, 9, 9, 9, 9]]
    episodes.action[0, :, 0] = [0, 2, 1]
    p = np.exp([1, 3, 2.5]) / np.exp([1, 3, 2.5]).sum()
    expected = [[0.5, -(p * np.log(p)).sum(), 3, 2], [0, 0, 4, 0], [0, np.log(2), 0, 0]]
    assert QValues()(episodes.public())[0, :, 0] == pytest.approx(np.array(expected), abs=1e-6)


def test_actions_and_their_context(make_episodes):
    episodes = make_episodes([3], agents=1, features=13)
    episodes.action[0, :, 0] = [2, 5, 5]
    episodes.available[..., 4] = False
    one = np.eye(6)
    context = [1, 1, 1, 1, 0, 1]
    expected = [[*one[2], *np.zeros(6), *context], [*one[5], *one[2], *context], [*one[5], *one[5], *context]]
    assert Actions()(episodes)[0, :, 0].tolist() == np.array(expected).tolist()


def test_team_actions_are_counted_over_the_living(make_episodes):
    episodes = make_episodes([2], agents=4, features=39)
    available = np.ones((1, 2, 4, 7), bool)
    spec = replace(episodes.spec, n_outsiders=2, agent_actions=(*episodes.spec.agent_actions, "attack 1"))
    episodes = replace(episodes, available=available, spec=spec)
    episodes.action[0] = [[0, 5, 5, 6], [1, 4, 3, 6]]
    episodes.alive[0, 1, 3] = False
    assert TeamActions()(episodes)[0].tolist() == [[1, 0, 0, 0, 0, 3, 2], [0, 1, 0, 1, 1, 0, 0]]


def test_pooled_over_the_living(make_episodes):
    episodes = make_episodes([2], agents=3, features=29)
    episodes.observation[0, 0, :, 0] = [1, 6, 20]
    episodes.alive[0, 0, 2] = False
    episodes.alive[0, 1] = False
    pooled = Pooled()(episodes)
    assert pooled.shape == (1, 2, 87)
    assert pooled[0, 0, [0, 29, 58]].tolist() == [3.5, 6, 1]
    assert not pooled[0, 1].any()
    assert Window(2, Pooled())(episodes).shape == (1, 2, 174)


def test_offsets_of_old_detectors_are_told_and_right(make_episodes):
    """What a detector of 0.8.0 imported to find units in SMAX's observations."""
    episodes = make_episodes([3, 2], agents=3, features=29)  # 7 features of each of 3 others, and a type, and 5 own
    with pytest.warns(UserWarning, match=r"write episodes\.spec\.features\('own'\), \('ally'\) or \('outsider'\)"):
        assert layout(episodes) == {"allies": slice(0, 16), "enemies": slice(16, 24), "own": slice(24, 29)}
    odd = make_episodes([3], features=9)
    with pytest.warns(UserWarning, match="layout is of"), pytest.raises(DetectorError, match="no part that is allies"):
        layout(odd)
