"""The cars of ``env=intersection``: what each is, how it steers, follows the one before it, and moves.

Modelled on HighwayEnv 1.12.1 (``highway_env.vehicle``: a kinematic bicycle, cascaded steering, the Intelligent Driver
Model), and written anew. Everything here is of one scene: outsiders first, then the agents, in fixed slots.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from bench.envs import intersection_road as road

LONG, WIDE = 5.0, 2.0  # metres
SPEEDS = (0.0, 4.5, 9.0)  # m/s, between which slower and faster choose
SLOWER, IDLE, FASTER = range(3)
TICK = 1 / 15  # seconds

STRONGEST = 6.0  # m/s2, of an outsider's acceleration and brakes
COMFORT, BRAKES = 6.0, 3.0  # m/s2, of the driver model
GAP, HEADWAY = 7.0, 1.5  # metres and seconds to the car before
STEER = np.pi / 3  # at most
SPEED_TIME, HEADING_TIME, SIDE_TIME, PURSUIT_TIME = 0.6, 0.2, 0.6, 0.1  # seconds, of the controllers


class Cars(NamedTuple):
    """All cars of a scene, a row each."""

    present: Array  # (car,) bool
    position: Array  # (car, 2) metres
    heading: Array  # (car,) radians
    speed: Array  # (car,) m/s
    target: Array  # (car,) m/s, the speed that it wants
    arm: Array  # (car,) int, where it came from
    turn: Array  # (car,) int, a number in TURNS
    leg: Array  # (car,) int, which lane of its route it steers along
    delta: Array  # (car,) exponent of the driver model
    yields: Array  # (car,) bool: gives way at present
    crashed: Array  # (car,) bool
    struck: Array  # (car,) bool: is pushed in the next tick
    push: Array  # (car, 2) metres, by how much
    told: Array  # (car,) m/s, the speed that it was told to have, or -1

    @property
    def direction(self) -> Array:
        """(car, 2) unit vectors."""
        return jnp.stack([jnp.cos(self.heading), jnp.sin(self.heading)], -1)

    @property
    def velocity(self) -> Array:
        """(car, 2) m/s."""
        return self.speed[:, None] * self.direction

    @property
    def route(self) -> Array:
        """(car, leg) lanes."""
        return jnp.asarray(road.ROUTES)[self.arm, self.turn]


class Where(NamedTuple):
    """Where the cars of a scene are at one time."""

    along: Array  # (car, lane), see :func:`bench.envs.intersection_road.coordinates`
    aside: Array  # (car, lane)
    lane: Array  # (car,) that it is on


def located(cars: Cars) -> Where:
    along, aside = road.coordinates(cars.position)
    return Where(along, aside, road.closest(along, aside, cars.heading))


def chosen(speed, target, action):
    """The speed that is wanted after a meta-action, of the three that there are: the next one to the present speed."""
    nearest = jnp.clip(jnp.round(speed / SPEEDS[1]), 0, 2)
    step = jnp.clip(nearest + action - IDLE, 0, 2)
    return jnp.where(action == IDLE, target, SPEEDS[1] * step)


def followed(cars: Cars, where: Where, outsiders: int) -> Cars:
    """The cars, with whoever is about to leave the lane that it steers along now steering along the next one; an
    outsider's wreck does not."""
    lane = of(cars.route, cars.leg)
    over = of(where.along, lane) > road.like(road.LENGTH, where.along)[lane] - LONG / 2
    over &= ~cars.crashed | (np.arange(len(cars.speed)) >= outsiders)
    return cars._replace(leg=jnp.where(over, jnp.minimum(cars.leg + 1, 2), cars.leg))


def steering(cars: Cars, where: Where):
    """(car,) angle of the wheels that keeps each on the lane that it steers along."""
    lane, speed = of(cars.route, cars.leg), not_zero(cars.speed)
    ahead = road.heading_at(lane, of(where.along, lane) + cars.speed * PURSUIT_TIME)
    back = jnp.arcsin(jnp.clip(-of(where.aside, lane) / SIDE_TIME / speed, -1, 1))
    error = road.wrapped(ahead + jnp.clip(back, -np.pi / 4, np.pi / 4) - cars.heading)
    sine = jnp.clip(LONG / 2 / speed * error / HEADING_TIME, -1, 1)  # of the slip angle
    return jnp.clip(jnp.arctan2(2 * sine, jnp.sqrt(1 - sine**2)), -STEER, STEER)


def cruising(cars: Cars):
    """(car,) m/s2 of an agent's car: towards the speed that it wants, whatever is before it."""
    return (cars.target - cars.speed) / SPEED_TIME


def following(cars: Cars, where: Where, outsiders: int):
    """(outsider,) m/s2 by the driver model: towards the speed that it wants or was told, with a gap to the car before
    it on its lane and, while it changes from one to the next, to the one before it on that."""
    mine = first(cars, outsiders)
    steered = of(cars.route, cars.leg)[:outsiders]
    want = jnp.clip(jnp.where(mine.told >= 0, mine.told, mine.target), 0, road.LIMIT)
    free = COMFORT * (1 - (jnp.maximum(mine.speed, 0) / jnp.abs(not_zero(want))) ** mine.delta)
    along = where.along[:, where.lane[:outsiders]].T  # (outsider, car) on the outsider's lane
    distance = along - jnp.diagonal(along)[:, None]
    speed, ahead, velocity = mine.speed[:, None], mine.direction, cars.velocity
    nearing = speed - ahead[:, :1] * velocity[:, 0] - ahead[:, 1:] * velocity[:, 1]
    gap = GAP + speed * HEADWAY + speed * nearing / (2 * np.sqrt(COMFORT * BRAKES))
    brake = COMFORT * (gap / not_zero(distance)) ** 2
    wanted = free - jnp.maximum(*(_before(cars, where, lane, brake) for lane in (where.lane[:outsiders], steered)))
    return jnp.clip(wanted, -STRONGEST, STRONGEST)


def first(cars: Cars, n: int) -> Cars:
    """The first so many of the cars."""
    return Cars(*(value[:n] for value in cars))


def with_first(cars: Cars, **columns) -> Cars:
    """The cars with other values of the first ones."""
    return cars._replace(**{name: jnp.concatenate([value, getattr(cars, name)[len(value):]])
                            for name, value in columns.items()})


def _before(cars: Cars, where: Where, lane, values):
    """(outsider,) of ``values`` (outsider, car) that of the next car before it on a lane, 0 where there is none."""
    along, aside = where.along[:, lane].T, where.aside[:, lane].T
    length = road.like(road.LENGTH, along)[lane][:, None]
    on = (jnp.abs(aside) <= road.WIDTH / 2 + 1) & (along >= -LONG) & (along < length + LONG) & cars.present
    self = jnp.arange(len(lane))[:, None] == jnp.arange(len(cars.speed))
    ahead = jnp.where(on & ~self & (along >= jnp.diagonal(along)[:, None]), along, jnp.inf)
    return jnp.where(jnp.isinf(ahead.min(-1)), 0, of(values, ahead.argmin(-1)))


def moved(cars: Cars, wheels, acceleration) -> Cars:
    """The cars a tick later: a kinematic bicycle; wrecks roll to a halt, and who was struck is pushed aside."""
    wheels = jnp.where(cars.crashed, 0, wheels)
    acceleration = jnp.where(cars.crashed, -cars.speed, acceleration)
    slip = jnp.arctan(jnp.tan(wheels) / 2)
    course = cars.heading + slip
    going = jnp.stack([jnp.cos(course), jnp.sin(course)], -1) * cars.speed[:, None] * TICK
    return cars._replace(
        position=cars.position + going + jnp.where(cars.struck[:, None], cars.push, 0),
        heading=cars.heading + cars.speed * jnp.sin(slip) / (LONG / 2) * TICK,
        speed=cars.speed + acceleration * TICK, crashed=cars.crashed | cars.struck,
        struck=jnp.zeros_like(cars.struck))


def of(table, column):
    """(car,) an entry of each row (car, column)."""
    return jnp.take_along_axis(table, column[:, None], -1)[:, 0]


def not_zero(value, least: float = 0.01):
    return jnp.where(jnp.abs(value) > least, value, jnp.where(value >= 0, least, -least))
