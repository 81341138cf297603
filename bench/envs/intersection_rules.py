"""What the cars of ``env=intersection`` do to each other: who gives way to whom, and who hits whom.

Modelled on HighwayEnv 1.12.1 (``highway_env.road.regulation``, ``highway_env.utils``), and written anew.
"""

from __future__ import annotations

import itertools

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
    """Where the cars will be at their present speed, at the times ``FORESEEN``: points (time, car, 2) on the centres of
    their routes' lanes, and headings (time, car).

    As in HighwayEnv, a car that steers along the next lane already, 2.5 m before the end of the one that it is on, is
    thought to be as far along the next as it is along the other, which is far ahead.
    """
    lanes, ends = cars.route, road.like(road.LENGTH, where.along)
    along = of(where.along, where.lane) + cars.speed * road.like(FORESEEN, where.along)[:, None]
    lane, leg = of(lanes, cars.leg)[None], cars.leg[None]
    for k in (1, 2):
        past = (along > ends[lane]) & (leg < k) & (leg + 1 == k)
        along = jnp.where(past, along - ends[lane], along)
        leg = jnp.where(past, k, leg)
        lane = jnp.where(past, lanes[None, :, k], lane)
    return road.place(jnp.broadcast_to(lane, along.shape), along), road.heading_at(lane, along)


def _conflicts(cars: Cars, where: Where, outsiders: int):
    """(outsider, car) bool: whether the two would soon be in one place."""
    points, headings = foreseen(cars, where)
    offset = points[:, None, :] - points[:, :outsiders, None]  # (time, outsider, car, 2)
    near = jnp.sum(offset**2, -1) <= LONG**2
    one, other = headings[:, :outsiders, None], headings[:, None, :]
    meet = near & (_holds(offset, one, other) | _holds(-offset, other, one))
    pairs = cars.present[:outsiders, None] & cars.present
    return meet.any(0) & pairs & (jnp.arange(outsiders)[:, None] != jnp.arange(len(cars.speed)))


def _holds(offset, one, other):
    """Whether a rectangle of ``ROOM`` at the origin has one of the other's ``POINTS`` inside: ``offset`` is the other's
    centre, ``one`` and ``other`` are headings. As in HighwayEnv, which turns by the heading where it should turn back.
    """
    cos, sin = jnp.cos(one), jnp.sin(one)
    ahead, aside = cos * offset[..., 0] - sin * offset[..., 1], sin * offset[..., 0] + cos * offset[..., 1]
    cos, sin = jnp.cos(one + other), jnp.sin(one + other)
    inside = jnp.zeros(ahead.shape, bool)
    for u, v in POINTS * ROOM:
        inside |= ((jnp.abs(ahead + cos * u - sin * v) <= ROOM[0] / 2)
                   & (jnp.abs(aside + sin * u + cos * v) <= ROOM[1] / 2))
    return inside


def _loses(cars: Cars, where: Where, outsiders: int):
    """(outsider, car) bool: whether the first has to give way to the second: by its lane's priority or, of two on lanes
    of one priority, if it is behind."""
    priority = jnp.asarray(road.PRIORITY)[where.lane]
    mine = priority[:outsiders, None]
    offset = cars.position[None] - cars.position[:, None]
    ahead = jnp.sum(offset * cars.direction[:, None], -1)  # (car, car) how far the second is before the first
    earlier = jnp.arange(len(priority))[:, None] < jnp.arange(len(priority))
    behind = (ahead > ahead.T) | ((ahead == ahead.T) & ~earlier)
    return (mine < priority) | ((mine == priority) & behind[:outsiders])


def collided(cars: Cars) -> Cars:
    """The cars after whoever touches another has crashed, and whoever is about to is pushed off it in the next tick."""
    n = len(cars.speed)
    offset = cars.position[None] - cars.position[:, None]
    reach = np.hypot(LONG, WIDE) + cars.speed[:, None] * TICK
    pairs = cars.present[:, None] & cars.present & (np.arange(n)[:, None] < np.arange(n))
    pairs &= jnp.sum(offset**2, -1) <= jnp.maximum(reach, 0) ** 2
    touch, soon, push = _overlap(cars, offset)
    touch, soon, push = touch & pairs, soon & pairs, jnp.where(pairs[..., None], push / 2, 0)
    touch, soon, push = touch | touch.T, soon | soon.T, push - push.swapaxes(0, 1)
    last = n - 1 - jnp.argmax(soon[:, ::-1], -1)  # of several pushes the last one counts
    return cars._replace(crashed=cars.crashed | touch.any(-1), struck=soon.any(-1),
                         push=jnp.take_along_axis(push, last[:, None, None], 1)[:, 0])


def _overlap(cars: Cars, offset):
    """Of every two: whether their rectangles overlap, whether they will at some time in the next tick, and the shortest
    push (car, car, 2) that then takes the first off the second; by the method of separating axes."""
    ahead = cars.direction
    aside = jnp.stack([-ahead[:, 1], ahead[:, 0]], -1)
    velocity = cars.speed[:, None] * ahead * TICK
    drift = velocity[:, None] - velocity[None]
    angle = cars.heading[:, None] - cars.heading
    alike, across = jnp.abs(jnp.cos(angle)), jnp.abs(jnp.sin(angle))
    long, wide = alike * LONG + across * WIDE, across * LONG + alike * WIDE  # a car's extent along the other's sides
    touch, soon, least, best = True, True, jnp.inf, jnp.zeros_like(offset)
    for sign, side, own, others in ((-1, ahead[:, None], LONG, long), (1, aside[:, None], WIDE, wide),
                                    (1, ahead[:, None], LONG, long), (-1, aside[:, None], WIDE, wide),
                                    (-1, ahead[None], LONG, long), (1, aside[None], WIDE, wide),
                                    (1, ahead[None], LONG, long), (-1, aside[None], WIDE, wide)):
        axis = jnp.broadcast_to(sign * side, offset.shape)
        centre, shift = jnp.sum(offset * axis, -1), jnp.sum(drift * axis, -1)
        mine, theirs = (own / 2, others / 2) if side.shape[1] == 1 else (others / 2, own / 2)
        touch &= _apart(-mine, mine, centre, theirs) <= 0
        distance = _apart(jnp.minimum(shift, 0) - mine, jnp.maximum(shift, 0) + mine, centre, theirs)
        soon &= distance <= 0
        better = jnp.abs(distance) < least
        least = jnp.where(better, jnp.abs(distance), least)
        away = jnp.where(centre[..., None] < 0, axis, -axis)
        best = jnp.where(better[..., None], away, best)
    return touch, soon, least[..., None] * best


def _apart(low, high, centre, reach):
    """The distance of the interval [low, high] from another one, negative where they overlap."""
    return jnp.where(low < centre - reach, centre - reach - high, low - centre - reach)
