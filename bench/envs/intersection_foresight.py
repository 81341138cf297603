"""Who would meet whom at the crossroads of ``env=intersection``, if cars kept to a plan: what its agents see of others'
ways, and what the scripted driver decides by.

A car is two circles along its axis, on the centre of its route's lanes; a plan is a speed that it is after.
"""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

from bench.envs import intersection_road as road
from bench.envs.intersection_cars import SPEED_TIME, SPEEDS, Cars
from bench.envs.intersection_traffic import travelled

TIMES = np.arange(1, 17) * 0.3  # seconds ahead
CIRCLES, REACH = (-1.25, 1.25), 3.2  # metres: of circles along a car's axis; how near two may come
GRID = 0.25  # metres, between the places of a route that are told apart


def meetings(cars: Cars, outsiders: int):
    """(own plan, agent, other plan, car) seconds until each agent would meet each car, infinite if never. Its plans are
    to be after 9 m/s, as now, and to halt; the other's, to keep its speed and to be after 9 m/s."""
    kept = jnp.stack([cars.speed, jnp.maximum(cars.speed, SPEEDS[-1])])
    return _meeting(_planned(cars, outsiders), _places(cars, kept))


def among(cars: Cars, outsiders: int):
    """(plan, agent, plan, agent) the same of two agents, with all three plans of either."""
    mine = _planned(cars, outsiders)
    return _meeting(mine, mine)


def _planned(cars: Cars, outsiders: int):
    agents = Cars(*(value[outsiders:] for value in cars))
    return _places(agents, jnp.stack([jnp.full_like(agents.target, SPEEDS[-1]), agents.target, 0 * agents.target]))


def _places(cars: Cars, targets):
    """(coordinate of a circle, plan, car, time) where cars are that are after the speeds (plan, car)."""
    table, times = _table(), road.like(TIMES, targets)
    gained = SPEED_TIME * (1 - np.exp(-TIMES / SPEED_TIME))
    way = targets[..., None] * times + (cars.speed - targets)[..., None] * road.like(gained, targets)
    way = way + travelled(cars)[:, None]
    length = table.shape[1]
    place = jnp.clip((way / GRID + 0.5).astype(jnp.int32), 0, length - 1)
    route = (cars.arm * len(road.TURNS) + cars.turn)[:, None]
    found = jnp.asarray(table, targets.dtype).reshape(-1, table.shape[-1])[route * length + place]
    return jnp.moveaxis(found, -1, 0)


@cache
def _table() -> np.ndarray:
    """(route, place, coordinate): x and y of the first circle, then of the second, along every route."""
    with jax.ensure_compile_time_eval():
        lanes = road.ROUTES.reshape(-1, 3)
        ends = np.cumsum(road.LENGTH[lanes], -1)
        way = np.arange(0, ends[:, -1].max() + GRID, GRID)
        leg = (way > ends[:, :1]).astype(int) + (way > ends[:, 1:2])
        lane = np.take_along_axis(lanes, leg, 1)
        along = jnp.asarray(way - np.take_along_axis(np.pad(ends[:, :2], ((0, 0), (1, 0))), leg, 1))
        centre, heading = np.asarray(road.place(lane, along)), np.asarray(road.heading_at(lane, along))
    ahead = np.stack([np.cos(heading), np.sin(heading)], -1)
    return np.concatenate([centre + far * ahead for far in CIRCLES], -1)


def _meeting(one, other):
    """(plan, car, plan, car) seconds until circles of two are too near, infinite if they never are."""
    near = jnp.zeros((*one.shape[1:3], *other.shape[1:]), bool)
    for a in range(len(CIRCLES)):
        for b in range(len(CIRCLES)):
            x, y = (one[2 * a + k][:, :, None, None] - other[2 * b + k] for k in range(2))
            near |= x * x + y * y < REACH**2
    return jnp.where(near, TIMES, jnp.inf).min(-1)
