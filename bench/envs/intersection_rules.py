"""What the cars of ``env=intersection`` do to each other: who gives way to whom, and who hits whom.

Modelled on HighwayEnv 1.12.1 (``highway_env.road.regulation``, ``highway_env.utils``), and written anew.
"""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.envs import intersection_road as road
from bench.envs.intersection_cars import LONG, TICK, WIDE, Cars, Where, first, of, with_first

FORESEEN = np.arange(0.25, 3, 0.25)  # seconds ahead, at which cars are looked for in the same place
ROOM = np.array([1.5 * LONG, 0.9 * WIDE])  # of a car then: longer than it is
POINTS = np.array([*itertools.product((-0.5, 0, 0.5), (-0.5, 0, 0.5))])  # of a rectangle: corners, middles, centre


def given_way(cars: Cars, where: Where, ordered) -> Cars:
    """The cars after the rules of the road have been enforced: an outsider that would soon be where another car will
    be, and does not have the right of way, wants to stop, until it is looked at again. One that is ``ordered``
    (outsider,) about does as it is told."""
    outsiders = len(ordered)
    mine = first(cars, outsiders)
    yields = _conflicts(cars, where, outsiders) & _loses(cars, where, outsiders)
    yields = yields.any(-1) & ~ordered
    target = jnp.where(yields, 0, jnp.where(mine.yields, road.LIMIT, mine.target))
    told = jnp.where(yields, -1, mine.told)
    return with_first(cars, target=target, yields=yields, told=told)


def foreseen(cars: Cars, where: Where):
    """Where the cars will be at their present speed, at the times ``FORESEEN``: x, y and heading, (time, car) each, on
    the centres of their routes' lanes.

    As in HighwayEnv, a car that steers along the next lane already, 2.5 m before the end of the one that it is on, is
    thought to be as far along the next as it is along the other, which is far ahead.
    """
    lanes, tables = cars.route, [road.like(table, where.along) for table in (
        road.LENGTH, road.START[:, 0], road.START[:, 1], road.HEADING, road.CURVE)]
    legs = [[table[lanes[:, k]] for table in tables] for k in range(3)]  # of each, what its lanes are like
    along = of(where.along, where.lane) + cars.speed * road.like(FORESEEN, where.along)[:, None]
    leg = jnp.broadcast_to(cars.leg, along.shape)
    for k in range(2):
        past = (leg == k) & (along > legs[k][0])
        along, leg = jnp.where(past, along - legs[k][0], along), jnp.where(past, k + 1, leg)
    _, x, y, heading, curve = (jnp.where(leg == 0, one, jnp.where(leg == 1, two, three))
                               for one, two, three in zip(*legs, strict=True))
    x, y = road.along_curve(x, y, heading, curve, along)
    return x, y, heading + curve * along


def _conflicts(cars: Cars, where: Where, outsiders: int):
    """(outsider, car) bool: whether the two would soon be in one place."""
    x, y, heading = foreseen(cars, where)
    (*one, x_1, y_1), (*other, x_2, y_2) = every_two(outsiders, jnp.cos(heading), jnp.sin(heading), x, y)
    x, y = x_2 - x_1, y_2 - y_1
    meet = (x * x + y * y <= LONG**2) & (_holds(x, y, one, other) | _holds(-x, -y, other, one))
    ever = jnp.ones(len(FORESEEN), x.dtype) @ meet.astype(x.dtype) > 0  # a product again: any(0) is slow
    pairs = cars.present[:outsiders, None] & cars.present
    return ever.reshape(pairs.shape) & pairs & (jnp.arange(outsiders)[:, None] != jnp.arange(len(cars.speed)))


def _holds(x, y, one, other):
    """Whether a rectangle of ``ROOM`` at the origin has one of the other's ``POINTS`` inside: ``x``, ``y`` is the
    other's centre, ``one`` and ``other`` are cosine and sine of the headings. As in HighwayEnv, which turns by the
    heading where it should turn back.
    """
    ahead, aside = one[0] * x - one[1] * y, one[1] * x + one[0] * y
    cos, sin = one[0] * other[0] - one[1] * other[1], one[1] * other[0] + one[0] * other[1]
    inside: Any = False
    for u, v in POINTS * ROOM:
        inside |= (jnp.abs(ahead + cos * u - sin * v) <= ROOM[0] / 2) & (
            jnp.abs(aside + sin * u + cos * v) <= ROOM[1] / 2)
    return inside


def _loses(cars: Cars, where: Where, outsiders: int):
    """(outsider, car) bool: whether the first has to give way to the second: by its lane's priority or, of two on lanes
    of one priority, if it is behind."""
    priority = jnp.asarray(road.PRIORITY)[where.lane]
    mine = priority[:outsiders, None]
    x, y = (way[:outsiders] for way in apart(cars.position))
    cos, sin = jnp.cos(cars.heading), jnp.sin(cars.heading)
    ahead = x * cos[:outsiders, None] + y * sin[:outsiders, None]  # how far the second is before the first
    behind = -x * cos - y * sin  # and the first before the second
    earlier = np.arange(outsiders)[:, None] < np.arange(len(priority))
    last = (ahead > behind) | ((ahead == behind) & ~earlier)
    return (mine < priority) | ((mine == priority) & last)


def every_two(firsts: int, *values):
    """Of every two cars, flat: the values (..., car) of the first, one of the ``firsts``, and those of the second, an
    array (value, ..., pair) each.

    By products with tables of ones, which are exact: XLA computes what goes into a product once, and what it can avoid
    to store anew for every pair.
    """
    stacked = jnp.stack(values)
    n = stacked.shape[-1]
    ones = np.eye(n)
    return tuple(stacked @ road.like(table, stacked) for table in (np.repeat(ones[:, :firsts], n, -1),
                                                                    np.tile(ones, firsts)))


def apart(points):
    """The two coordinates, (car, car) each, of the way from one point (car, 2) to another."""
    return tuple(points[None, :, k] - points[:, None, k] for k in range(2))


def collided(cars: Cars) -> Cars:
    """The cars after whoever touches another has crashed, and whoever is about to is pushed off it in the next tick."""
    n = len(cars.speed)
    first, second = np.repeat(np.arange(n), n), np.tile(np.arange(n), n)
    one, other = every_two(n, jnp.cos(cars.heading), jnp.sin(cars.heading), *cars.position.T, *cars.velocity.T,
                           cars.speed, cars.present)
    x, y = other[2] - one[2], other[3] - one[3]
    speed = jnp.where(first < second, one[6], other[6])  # HighwayEnv asks one of the two
    reach = jnp.maximum(np.hypot(LONG, WIDE) + speed * TICK, 0)
    pairs = (one[7] * other[7] > 0) & (first != second) & (x * x + y * y <= reach * reach)
    touch, soon, push_x, push_y = _overlap(one, other, x, y)
    touched, about = ((met & pairs).astype(x.dtype) @ road.like(table, x) for met, table in (
        (touch, np.eye(n)[first]), (soon, np.eye(n)[first] * 2.0 ** second[:, None])))  # how many; whom, a bit each
    last = 31 - jax.lax.clz(jnp.maximum(about.astype(jnp.int32), 1))  # of several pushes the last one counts
    push = [of(way.reshape(n, n), last) for way in (push_x, push_y)]
    return cars._replace(crashed=cars.crashed | (touched > 0), struck=about > 0, push=jnp.stack(push, -1) / 2)


def _overlap(one, other, x, y):
    """Of every two, (pair,) each: whether their rectangles overlap, whether they will at some time in the next tick,
    and the shortest push, its two coordinates, that then takes the first off the second; by the method of separating
    axes. ``one`` and ``other`` are cosine and sine of the headings, places and velocities; ``x``, ``y`` lead from the
    first to the second."""
    drift_x, drift_y = (one[4] - other[4]) * TICK, (one[5] - other[5]) * TICK
    one, other = one[:2], other[:2]
    alike = jnp.abs(one[0] * other[0] + one[1] * other[1])  # of the headings of two: |cos|
    across = jnp.abs(one[1] * other[0] - one[0] * other[1])  # and |sin|
    long, wide = alike * LONG + across * WIDE, across * LONG + alike * WIDE  # a car's extent along the other's sides
    touch: Any = True
    soon, least, push_x, push_y = touch, jnp.inf * jnp.ones_like(x), 0 * x, 0 * x
    for (c, s), mine, theirs in ((one, (LONG, WIDE), (long, wide)), (other, (long, wide), (LONG, WIDE))):
        for side, (u, v) in enumerate(((c, s), (-s, c))):
            centre, drift, own, reach = x * u + y * v, drift_x * u + drift_y * v, mine[side] / 2, theirs[side] / 2
            touch &= jnp.abs(centre) <= own + reach
            low, high = jnp.minimum(drift, 0) - own, jnp.maximum(drift, 0) + own  # of the first, as it moves
            after, before = centre - reach - high, low - centre - reach  # how far the second is beyond it, either way
            soon &= (after <= 0) & (before <= 0)
            distance = jnp.minimum(jnp.abs(after), jnp.abs(before))
            better = distance < least
            least = jnp.where(better, distance, least)
            away = jnp.where(centre < 0, 1, -1)
            push_x, push_y = jnp.where(better, away * u, push_x), jnp.where(better, away * v, push_y)
    return touch, soon, least * push_x, least * push_y
