"""What goes on at the crossroads of ``env=intersection`` in one step: everybody drives, some leave, others come."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from bench.envs import intersection_cars as driving
from bench.envs import intersection_road as road
from bench.envs import intersection_rules as rules
from bench.envs.intersection_cars import IDLE, Cars, first, with_first

TICKS = 7  # of a step, HighwayEnv's at two decisions a second
STEP = TICKS * driving.TICK  # seconds
ENFORCED = 3  # the tick before which the right of way is looked at, once in 7 ticks
LEAVES = road.ACCESS - 4 * driving.LONG  # metres along a lane that leads out, where an outsider is gone
ARRIVES = 25.0  # and where an agent has arrived

COMES, ENTRY = 0.2, 5.0  # chance a step that an outsider comes, and metres along a lane that leads in where it does
APART, ALONE = 15.0, 20.0  # metres to all others, and to agents as a battle begins, without which none comes
DELTA = (3.5, 4.5)  # of the driver model's exponent
MOOD, GO_ON = 0.03, 0.3  # chance a step that a fickle driver begins to change its pace, and that it does once more
PACE = 1.0  # m/s2 from which on an outsider that follows no order counts as faster or slower


def advanced(cars: Cars, actions, orders, moods) -> Cars:
    """The cars a step later.

    ``actions`` (agent,); ``orders`` (outsider,) that are obeyed, and ``moods`` (outsider,), orders that it gives itself
    and forgets where it has to give way: both -1 where there is none.
    """
    outsiders, ordered = len(orders), orders >= 0
    orders = jnp.where(ordered, orders, moods)
    mine = first(cars, outsiders)
    before = mine.told >= 0
    told = driving.chosen(mine.speed, jnp.where(before, mine.told, mine.speed), orders)
    cars = with_first(cars, told=jnp.where(orders >= 0, told, -1), yields=mine.yields & ~ordered,
                      target=jnp.where(before & (orders < 0), road.LIMIT, mine.target))
    target = driving.chosen(cars.speed[outsiders:], cars.target[outsiders:], actions)
    cars = cars._replace(target=jnp.concatenate([cars.target[:outsiders], target]))

    def tick(number, cars):
        where = driving.located(cars)
        cars = driving.followed(cars, where, outsiders)
        wheels = driving.steering(cars, where)
        own = driving.following(cars, where, outsiders)
        acceleration = jnp.concatenate([own, driving.cruising(cars)[outsiders:]])
        cars = jax.lax.cond(number == ENFORCED, lambda: rules.given_way(cars, where, ordered), lambda: cars)
        return rules.collided(driving.moved(cars, wheels, acceleration))

    return jax.lax.fori_loop(0, TICKS, tick, cars)


def left(cars: Cars, outsiders: int) -> Cars:
    """The cars without the outsiders that have reached the end of the road."""
    return with_first(cars, present=(cars.present & ~_out(cars, LEAVES))[:outsiders])


def arrived(cars: Cars, outsiders: int):
    """(agent,) bool: whether it is through."""
    return _out(cars, ARRIVES)[outsiders:]


def _out(cars: Cars, far: float):
    where = driving.located(cars)
    return jnp.asarray(road.LEADS_OUT)[where.lane] & (driving.of(where.along, where.lane) >= far)


def travelled(cars: Cars):
    """(car,) metres from the beginning of its route."""
    where, lengths = driving.located(cars), road.like(road.LENGTH, cars.speed)[cars.route]
    done = jnp.where(cars.leg > 0, lengths[:, 0], 0) + jnp.where(cars.leg > 1, lengths[:, 1], 0)
    return done + driving.of(where.along, driving.of(cars.route, cars.leg))


def pace(before: Cars, after: Cars, orders):
    """(outsider,) the meta-action that each has followed, whoever gave it, or that its change of speed amounts to."""
    n = len(orders)
    change = (after.speed[:n] - before.speed[:n]) / STEP
    return jnp.where(orders >= 0, orders, IDLE + (change > PACE) * 1 - (change < -PACE) * 1).astype(jnp.int32)


def moods(key, cars: Cars, last):
    """(outsider,) the orders that fickle drivers give themselves, or -1, from the last ones: every sequence of them
    occurs, the longer the less often."""
    n = len(last)
    on, order = jax.random.uniform(key, (2, n))
    goes_on = on < jnp.where(last >= 0, GO_ON, MOOD)
    able = cars.present[:n] & ~cars.yields[:n] & ~cars.crashed[:n]
    return jnp.where(goes_on & able, (order * 3).astype(jnp.int32), -1)


def agents(key, n: int) -> Cars:
    """The team's cars as a battle begins, one an arm, on their way in as in HighwayEnv; where each goes is drawn."""
    position, turn = jax.random.split(key)
    along = jnp.clip(65 + 5 * jax.random.normal(position, (n,)), 50, 80)
    return entering(np.arange(n), jax.random.randint(turn, (n,), 0, 3), along, jnp.full(n, 10.0), jnp.full(n, 9.0),
                jnp.full(n, 4.0))


def comes(key, cars: Cars, slot, chance: float, along, apart) -> Cars:
    """The cars with another outsider in a slot, by chance, if the slot is free and everybody is far enough from where
    it appears, about so many metres along a lane that leads in."""
    luck, arms, turn, place, speed, delta = jax.random.split(key, 6)
    speed = 8 + jax.random.normal(speed, (1,))
    along, delta = along + jax.random.normal(place, (1,)), jax.random.uniform(delta, (1,), speed.dtype, *DELTA)
    arm, turn = jax.random.randint(arms, (1,), 0, 4), jax.random.randint(turn, (1,), 0, 3)
    new = entering(arm, turn, along, speed, speed, delta)
    near = (jnp.sum((cars.position - new.position) ** 2, -1) < apart**2) & cars.present
    enters = (jax.random.uniform(luck) < chance) & ~near.any() & ~cars.present[slot]
    chosen = enters & (jnp.arange(len(cars.speed)) == slot)
    return Cars(*(jnp.where(chosen.reshape(-1, *[1] * (old.ndim - 1)), fresh, old)
                  for old, fresh in zip(cars, new, strict=True)))


def nobody(n: int) -> Cars:
    """Slots without a car."""
    zero, none = jnp.zeros(n, jnp.int32), jnp.zeros(n)
    return entering(zero, zero, none, none, none, none)._replace(present=jnp.zeros(n, bool))


def entering(arm, turn, along, speed, target, delta) -> Cars:
    """Cars on the lanes that lead in."""
    n, lane = len(along), jnp.asarray(road.IN)[arm]
    none, zero = jnp.zeros(n, bool), jnp.zeros(n, jnp.int32)
    return Cars(present=~none, position=road.place(lane, along), heading=road.heading_at(lane, along), speed=speed,
                target=target, arm=jnp.asarray(arm, jnp.int32), turn=turn, leg=zero, delta=delta, yields=none,
                crashed=none, struck=none, push=jnp.zeros((n, 2)), told=jnp.full(n, -1.0))
