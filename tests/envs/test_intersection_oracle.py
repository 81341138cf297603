"""The crossroads beside HighwayEnv's own, where it is installed (pip install highway-env==1.12.1): the same scenes, the
same actions, in double precision.

HIGHWAY_SCENES=1000 compares as many scenes (HighwayEnv: a few steps a second); by default a handful.

What differs by intention, and is kept out of the comparison:

* agents that have arrived leave the scene; in HighwayEnv they drive on, and turn round at the end of the road;
* outsiders come by other rules and draws, into a fixed number of slots (``spawn_probability`` is 0 here).

What differs by rounding: a car that has stopped shivers about standstill, forwards and backwards, and whether it
has to give way is yes or no; both magnify errors. So every single step is compared from HighwayEnv's own state before
it; scenes that are played through have to stay as near for their first steps alone.

Two things are toss-ups, decided by the last bit of a number. Who of two that come at each other head on gives way: each
is exactly as far before the other. And in a heap of three wrecks, whether two that were pushed apart until they just
touch do touch: if so, a push of nothing takes the place of the third's. Steps in which the two disagree on that, and on
nothing else, are set aside and counted.
"""

import os
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("highway_env")
    import gymnasium

from bench.envs import intersection_traffic as traffic
from bench.envs.intersection_cars import Cars
from bench.envs.intersection_road import TURNS

SCENES, STEPS, NEAR = int(os.environ.get("HIGHWAY_SCENES", 4)), 50, 1e-5
pytestmark = [pytest.mark.filterwarnings("default"),  # HighwayEnv's and Gymnasium's own are not ours
              pytest.mark.timeout(300 + 30 * SCENES)]
OUTSIDERS, AGENTS = 10, 4
HEAP = 7  # metres between wrecks of one heap
ROUNDING = 5  # steps after which rounding may have grown to more
COMPARED = ("position", "heading", "speed", "target", "yields", "crashed", "leg")
TURN = {3: "right", 1: "left", 2: "straight"}  # how many arms on


@pytest.fixture(scope="module")
def recorded():
    """Of every scene: the actions, and HighwayEnv's cars before the first and after each step."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        env = gymnasium.make("intersection-multi-agent-v0", config={
            "controlled_vehicles": AGENTS, "destination": None, "policy_frequency": 2, "spawn_probability": 0.0})
    return [played(env.unwrapped, scene) for scene in range(SCENES)]


def played(env, scene):
    rng = np.random.default_rng(scene)
    env.reset(seed=scene)
    for arm, car in enumerate(env.controlled_vehicles):
        car.plan_route_to(f"o{(arm + rng.integers(1, 4)) % 4}")
    outsiders = [car for car in env.road.vehicles if car not in env.controlled_vehicles]
    rows = [*outsiders, *[None] * (OUTSIDERS - len(outsiders)), *env.controlled_vehicles]
    routes = [(0, 0) if car is None else route_of(car) for car in rows]
    daring = rng.random()
    actions = np.where(rng.random((STEPS, AGENTS)) < daring, 2, rng.integers(3, size=(STEPS, AGENTS)))
    states = [exported(env, rows, routes)]
    for chosen in actions:
        env.step(tuple(map(int, chosen)))
        env.road.vehicles = [car for car in env.road.vehicles
                             if car not in env.controlled_vehicles or not env.has_arrived(car)]
        states.append(exported(env, rows, routes))
    return actions, states


def route_of(car):
    """Arm and turn; of a car on its way out alone its last lane matters, and it came straight."""
    to = int(car.route[-1][1][1])
    arm = next((int(lane[0][2]) for lane in car.route if lane[0].startswith("ir")), (to + 2) % 4)
    return arm, TURNS.index(TURN[(to - arm) % 4])


def exported(env, rows, routes):
    there = [car for car in rows if car is not None and car in env.road.vehicles]

    def column(value, absent):
        return np.array([value(car) if car in there else absent for car in rows])

    nowhere = np.zeros(2)
    return Cars(
        present=column(lambda car: True, False), position=column(lambda car: car.position, nowhere),
        heading=column(lambda car: car.heading, 0.0), speed=column(lambda car: car.speed, 0.0),
        target=column(lambda car: float(car.target_speed), 0.0), arm=np.array(routes)[:, 0],
        turn=np.array(routes)[:, 1], leg=column(lambda car: 3 - len(car.route), 0),
        delta=column(lambda car: getattr(car, "DELTA", 4.0), 4.0),
        yields=column(lambda car: getattr(car, "is_yielding", False), False),
        crashed=column(lambda car: car.crashed, False), struck=column(lambda car: car.impact is not None, False),
        push=column(lambda car: nowhere if car.impact is None else car.impact, nowhere),
        told=np.full(len(rows), -1.0))


def stepped(cars, actions):
    """Ours a step later, of many scenes."""
    nobody = np.full(OUTSIDERS, -1)

    def one(cars, actions):
        cars = traffic.left(traffic.advanced(cars, actions, nobody, nobody), OUTSIDERS)
        through = traffic.arrived(cars, OUTSIDERS)
        return cars._replace(present=cars.present.at[OUTSIDERS:].set(cars.present[OUTSIDERS:] & ~through))

    with jax.enable_x64(True):
        return Cars(*map(np.asarray, jax.jit(jax.vmap(one))(Cars(*map(jnp.asarray, cars)), jnp.asarray(actions))))


def stacked(states):
    return Cars(*(np.stack(values) for values in zip(*states, strict=True)))


def errors(ours, theirs):
    """(scene,) the greatest difference of any car that is there."""
    worst = (ours.present != theirs.present).any(-1).astype(float)
    for name in COMPARED:
        one, other = (np.where(theirs.present.reshape(*theirs.present.shape, *[1] * (value.ndim - 2)), value, 0)
                      for value in (getattr(ours, name).astype(float), getattr(theirs, name).astype(float)))
        worst = np.maximum(worst, np.abs(one - other).reshape(len(one), -1).max(-1))
    return worst


def tossed(ours, theirs, before):
    """(scene,) whether the two disagree on who gives way, and every car that they disagree on faces one head on; or on
    the places of wrecks alone, each of which lies in a heap of three."""
    def only(differs, excused):
        return differs.any(-1) & (excused | ~differs).all(-1)

    way = np.stack([np.cos(before.heading), np.sin(before.heading)], -1)
    opposed = np.linalg.norm(way[:, :, None] + way[:, None], axis=-1) < 1e-9
    faces = (opposed & before.present[:, None]).any(-1)
    wreck = theirs.crashed & ours.crashed & theirs.present
    apart = np.linalg.norm(theirs.position[:, :, None] - theirs.position[:, None], axis=-1)
    heaped = wreck & (((apart < HEAP) & wreck[:, None]).sum(-1) >= 3)
    moved = np.linalg.norm(ours.position - theirs.position, axis=-1) * theirs.present >= NEAR
    same = ~theirs.present | ((ours.yields == theirs.yields) & (ours.crashed == theirs.crashed))
    return only((ours.yields != theirs.yields) & theirs.present, faces) | (only(moved, heaped) & same.all(-1))


def test_every_step_is_highway_envs(recorded):
    before = stacked([state for _, states in recorded for state in states[:-1]])
    after = stacked([state for _, states in recorded for state in states[1:]])
    ours = stepped(before, np.concatenate([actions for actions, _ in recorded]))
    worst, toss_up = errors(ours, after), tossed(ours, after, before)
    wrong = (worst >= NEAR) & ~toss_up
    assert not wrong.any(), [divmod(int(k), STEPS) for k in np.nonzero(wrong)[0]]
    assert toss_up.mean() < 0.005
    print(f"{len(worst):,} steps: {int(toss_up.sum())} toss-ups, else within {worst[~toss_up].max():.1e}")
    assert after.crashed.any(), "crashes are compared as well"
    assert after.yields.any()


def test_scenes_played_through_stay_near(recorded):
    ours, apart, aside = stacked([states[0] for _, states in recorded]), *np.zeros((2, len(recorded)), bool)
    for step in range(STEPS):
        before, theirs = (stacked([states[at] for _, states in recorded]) for at in (step, step + 1))
        ours = stepped(ours, np.stack([actions[step] for actions, _ in recorded]))
        aside |= ~apart & tossed(ours, theirs, before)
        apart |= errors(ours, theirs) >= NEAR
        assert step >= ROUNDING or not (apart & ~aside).any(), np.nonzero(apart & ~aside)[0]
    print(f"{1 - apart.mean():.1%} of {len(apart)} scenes stay within {NEAR:g} for {STEPS} steps")
