"""The crossroads: its geometry, its cars and its promises as an environment."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.contracts import Identity
from bench.envs import intersection_cars as driving
from bench.envs import intersection_foresight as foresight
from bench.envs import intersection_road as road
from bench.envs import intersection_rules as rules
from bench.envs import intersection_traffic as traffic
from bench.envs.intersection import LIMIT, OUTSIDERS, IntersectionBattles
from bench.envs.intersection_names import ENVIRONMENT, META_ACTIONS, OUTSIDER
from bench.errors import BenchError

SLOWER, IDLE, FASTER = range(3)
SLOTS = 16  # of every batch here: each size is compiled anew


@pytest.fixture(scope="module")
def game():
    return IntersectionBattles(traffic="steady")


def cars(along, arm, turn, speed, target=9.0):
    """Cars on the lanes that lead in."""
    return traffic.entering(np.array(arm), jnp.array(turn), jnp.array(along, float), jnp.array(speed, float),
                            jnp.full(len(arm), target), jnp.full(len(arm), 4.0))


def drive(scene, outsiders, steps, orders=None, action=IDLE):
    orders = np.full(outsiders, -1) if orders is None else np.array(orders)
    go = jax.jit(lambda scene: traffic.advanced(scene, jnp.full(len(scene.speed) - outsiders, action), orders,
                                                np.full(outsiders, -1)))
    history = [scene]
    for _ in range(steps):
        history.append(go(history[-1]))
    return history


def test_lanes_meet_where_one_ends_and_the_next_begins():
    for lanes in road.ROUTES.reshape(-1, 3):
        for lane, after in itertools.pairwise(lanes):
            end, begin = (road.place(one, jnp.array(along)) for one, along in ((lane, road.LENGTH[lane]), (after, 0.0)))
            assert np.allclose(end, begin, atol=1e-3)
            turn = road.heading_at(lane, jnp.array(road.LENGTH[lane])) - road.heading_at(after, jnp.array(0.0))
            assert abs(float(road.wrapped(turn))) < 1e-5


@pytest.mark.slow
def test_coordinates_are_where_a_place_was_taken():
    lane, along = np.repeat(np.arange(20), 5), np.tile(np.linspace(0.5, 14, 5), 20)
    found, aside = road.coordinates(road.place(lane, jnp.array(along)))
    assert np.allclose(found[np.arange(100), lane], along, atol=1e-3)
    assert np.allclose(aside[np.arange(100), lane], 0, atol=1e-3)
    heading = road.heading_at(lane, jnp.array(along))
    closest = road.closest(found, aside, heading)
    assert (closest == lane).mean() > 0.9, "lanes that begin in one place are told apart a little later"


@pytest.mark.parametrize("turn", range(3))
def test_an_agent_follows_its_route(turn):
    scene = drive(cars([80], [0], [turn], [9.0]), 0, 20)[-1]
    lane = road.ROUTES[0, turn, 2]
    along, aside = road.coordinates(scene.position)
    assert along[0, lane] > traffic.ARRIVES
    assert abs(float(aside[0, lane])) < 0.2
    assert traffic.arrived(scene, 0).all()


def test_meta_actions_choose_among_three_speeds():
    for speed, action, target in ((9.0, SLOWER, 4.5), (4.5, SLOWER, 0), (0.0, SLOWER, 0), (4.5, FASTER, 9),
                                  (9.0, FASTER, 9), (7.0, IDLE, 5.0)):
        assert driving.chosen(jnp.array(speed), 5.0, action) == target
    scene = drive(cars([10], [0], [2], [9.0]), 0, 9, action=SLOWER)
    assert abs(float(scene[-1].speed[0])) < 0.1
    assert scene[1].speed[0] > scene[2].speed[0]


def test_an_outsider_keeps_its_distance():
    """The one behind stops behind one that stands."""
    scene = cars([80.0, 40.0], [0, 0], [2, 2], [0.0, 9.0])._replace(target=jnp.array([0.01, 9.0]))
    scene = drive(scene, 2, 16)[-1]
    gap = road.coordinates(scene.position)[0][:, 0]
    assert driving.LONG < gap[0] - gap[1] < 20
    assert not scene.crashed.any()
    assert scene.speed[1] < 1


def test_the_vertical_road_gives_way_and_the_horizontal_one_does_not():
    scene = cars([88.0, 88.0], [0, 1], [2, 2], [8.0, 8.0])
    scene = rules.given_way(scene, driving.located(scene), np.zeros(2, bool))
    assert scene.yields.tolist() == [True, False]
    assert scene.target[0] == 0
    ordered = cars([88.0, 88.0], [0, 1], [2, 2], [8.0, 8.0])
    assert not rules.given_way(ordered, driving.located(ordered), np.ones(2, bool)).yields.any()


@pytest.mark.parametrize(("gap", "crashed"), [(4.9, True), (5.1, False)])
def test_two_crash_where_they_touch(gap, crashed):
    scene = rules.collided(cars([50.0, 50.0 + gap], [0, 0], [2, 2], [0.0, 0.0]))
    assert scene.crashed.tolist() == [crashed] * 2
    beside = cars([50.0, 50.0], [0, 0], [2, 2], [0.0, 0.0])
    moved = beside._replace(position=beside.position + jnp.array([[0.0, 0], [2.1, 0]]))
    assert not rules.collided(moved).crashed.any(), "cars are 2 m wide"


def test_who_is_about_to_be_hit_is_pushed_out_of_the_way():
    scene = rules.collided(cars([50.0, 55.2], [0, 0], [2, 2], [9.0, 0.0]))
    assert not scene.crashed.any()
    assert scene.struck.all()
    assert np.allclose(scene.push[0], -scene.push[1])
    assert driving.moved(scene, jnp.zeros(2), jnp.zeros(2)).crashed.all()


def test_of_every_two_cars_values_are_what_they_were():
    values = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32) * 1e3
    first, second = (np.asarray(part) for part in rules.every_two(2, *values))
    assert (first.reshape(2, 3, 2, 5) == values[..., :2, None]).all()
    assert (second.reshape(2, 3, 2, 5) == values[..., None, :]).all()


@pytest.mark.slow
def test_of_several_pushes_the_last_one_counts():
    scene = cars([60, 65.1, 54.9], [3, 3, 3], [2, 2, 2], [4.5, 0.0, 9.0])
    alone = rules.collided(scene._replace(present=jnp.array([True, False, True])))
    pushed = rules.collided(scene)
    assert all(pushed.struck)
    np.testing.assert_allclose(pushed.push[0], alone.push[0])


def test_an_order_sets_the_pace_and_is_seen(game):
    names, spec = META_ACTIONS, game.spec
    step = game.reset(0, np.arange(SLOTS))
    for order in (SLOWER, FASTER, SLOWER, IDLE):
        before = step
        step = game.step(np.full((SLOTS, spec.n_agents), IDLE), np.full((SLOTS, OUTSIDERS), order))
        there = before.present[:, spec.n_agents:] & step.present[:, spec.n_agents:] & ~before.done[:, None]
        assert (step.outsider_actions[there] == order).all()
        for agent in range(spec.n_agents):
            seen = step.observation[:, agent, spec.outsider_feature("seen")] > 0
            pace = step.observation[:, agent, spec.outsider_feature("pace")]
            fits = seen & there
            assert fits.any()
            assert (pace[fits] == {"slower": -1, "idle": 0, "faster": 1}[names[order]]).all()


def test_orders_are_followed_by_the_car():
    slow = drive(cars([20.0], [0], [2], [9.0]), 1, 3, orders=[SLOWER])[-1]
    free = drive(cars([20.0], [0], [2], [9.0]), 1, 3)[-1]
    assert slow.speed[0] < 5 < free.speed[0]


@pytest.mark.slow
def test_what_two_cars_would_do_to_each_other_is_foreseen():
    """Two that come from the south and the west and go straight on, as far from where their ways cross; and one that
    follows the first, far behind."""
    scene = cars([85.0, 85.0, 40.0], [0, 1, 0], [2, 2, 2], [9.0, 9.0, 9.0])
    met = foresight.meetings(scene, 1)  # the first is an outsider
    faster, idle, slower = range(3)
    seconds = met[idle, 0, 0, 0]
    assert seconds == met[faster, 0, 0, 0]
    history = drive(scene, 0, 6)
    apart = [float(jnp.hypot(*(one.position[0] - one.position[1]))) for one in history]
    assert np.argmin(apart) == pytest.approx(seconds / traffic.STEP, abs=1.5), "they meet when they are driven there"
    assert jnp.isinf(met[slower, 0, 0, 0]), "one that stops in time does not meet the other"
    assert jnp.isinf(met[:, 1, 0, 0]).all(), "nor does who is far behind"


def test_an_agent_sees_whom_it_would_meet(game):
    spec = game.spec
    step = game.reset(0, np.arange(SLOTS))
    meets = step.observation[:, :, spec.outsider_feature("meets_faster_on")]
    assert ((meets >= 0) & (meets <= 1)).all()
    seen = step.observation[:, :, spec.outsider_feature("seen")] > 0
    assert (meets[~seen] == 0).all()
    assert 0 < (meets[seen] > 0).mean() < 1


def test_numbers_are_in_range(game):
    step, rng = game.reset(0, np.arange(SLOTS)), np.random.default_rng(0)
    for _ in range(LIMIT):
        step = game.step(rng.integers(3, size=(SLOTS, game.spec.n_agents)))
        assert np.abs(step.observation).max() <= 2.1
        assert step.state.min() >= 0
        assert step.state.max() <= 1
        places = step.position[step.present]
        assert (places >= 0).all()
        assert (places <= game.spec.map_size[0]).all()
    assert step.done.all()
    assert (step.won <= ~game.scene.crashed[:, OUTSIDERS:].any(1)).all()


@pytest.mark.slow
def test_steady_drivers_are_calmer_than_fickle_ones(game):
    shares = {}
    for name, battles in (("steady", game), ("fickle", IntersectionBattles())):
        step = battles.reset(0, np.arange(SLOTS))
        found = []
        for _ in range(12):
            step = battles.step(np.full((SLOTS, battles.spec.n_agents), SLOWER))
            found.append(step.outsider_actions[step.present[:, battles.spec.n_agents:]])
        shares[name] = np.mean(np.concatenate(found) != IDLE)
    assert shares["fickle"] > shares["steady"]


def test_names():
    spec = IntersectionBattles("2", "steady").spec
    assert ENVIRONMENT.identity({"agents": 2, "traffic": "steady"}) == Identity(spec.id, spec.version)
    assert spec.outsider_feature(OUTSIDER[0]).shape == (OUTSIDERS,)
    with pytest.raises(BenchError, match="fickle"):
        IntersectionBattles(traffic="wild")
