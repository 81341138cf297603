"""The crossroads of ``env=intersection``: four arms, and where a point is on each of their twenty lanes.

The geometry, in metres, is that of HighwayEnv's ``intersection-v0``: x grows to the east, y to the *south*, as there;
arms are numbered south, west, north, east. A lane is a row of every table here: 4 that lead in, one an arm; 4 straight
across, by the arm where they begin; 4 that lead out, by arm + 1 (out of the east first); 4 right turns and 4 left
turns, by the arm where they begin. The horizontal road has the right of way.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

ARMS = ("south", "west", "north", "east")
TURNS = ("right", "left", "straight")
WIDTH, ACCESS = 4.0, 100.0  # of a lane; length of one that leads in or out
RIGHT = WIDTH + 5  # radius of a right turn
LEFT = RIGHT + WIDTH  # and of a left one
INNER = RIGHT + WIDTH / 2  # from the centre to where the lanes that lead in end
EXTENT = INNER + ACCESS  # from the centre to the end of the roads
IN, STRAIGHT, OUT, RIGHT_TURN, LEFT_TURN = (np.arange(4) + 4 * kind for kind in range(5))  # lanes of each kind
LEADS_OUT = np.isin(np.arange(20), OUT)

_QUARTER = np.arange(4) * np.pi / 2
LENGTH = np.repeat([ACCESS, 2 * INNER, ACCESS, RIGHT * np.pi / 2, LEFT * np.pi / 2], 4)
CURVE = np.repeat([0, 0, 0, 1 / RIGHT, -1 / LEFT], 4)  # radians a metre
HEADING = np.concatenate([_QUARTER - np.pi / 2, _QUARTER - np.pi / 2, _QUARTER, _QUARTER - np.pi / 2,
                          _QUARTER - np.pi / 2])  # where a lane begins
LIMIT = 10.0  # m/s
PRIORITY = np.concatenate([np.tile(1 + 2 * (np.arange(4) % 2), 4), 2 * (np.arange(4) % 2)])


def _turned(points: np.ndarray) -> np.ndarray:
    """(arm, 2): a point of the southern arm's frame as it is for each arm."""
    cos, sin = np.cos(_QUARTER), np.sin(_QUARTER)
    return np.stack([cos * points[0] - sin * points[1], sin * points[0] + cos * points[1]], -1)


START = np.concatenate([_turned(np.array(point)) for point in (
    (WIDTH / 2, EXTENT), (WIDTH / 2, INNER), (INNER, WIDTH / 2), (WIDTH / 2, INNER), (WIDTH / 2, INNER))])
# The lanes of each route, by arm and turn: the lane in, the one across, the lane out
ROUTES = np.array([[(IN[arm], across[arm], OUT[(arm + out) % 4]) for across, out in (
    (RIGHT_TURN, 0), (LEFT_TURN, 2), (STRAIGHT, 3))] for arm in range(4)])


def wrapped(angle):
    """The same angle in [-pi, pi)."""
    return angle - 2 * np.pi * jnp.floor((angle + np.pi) / (2 * np.pi))


def coordinates(position):
    """Where points (..., 2) are on every lane: (..., lane) metres along it from its beginning, and metres to the right
    of its centre."""
    x, y = position[..., 0], position[..., 1]
    x, y = jnp.stack([x, y, -x, -y], -1), jnp.stack([y, -x, -y, x], -1)  # in each arm's own frame, as if it led south
    right, left = (x - INNER, y - INNER), (x + LEFT - WIDTH / 2, y - LEFT + WIDTH / 2)  # from the turns' centres
    along = [EXTENT - y, INNER - y, x - INNER, RIGHT * jnp.arctan2(-right[1], -right[0]),
             -LEFT * jnp.arctan2(left[1], left[0])]
    aside = [x - WIDTH / 2, x - WIDTH / 2, y - WIDTH / 2, RIGHT - jnp.hypot(*right), jnp.hypot(*left) - LEFT]
    return jnp.concatenate(along, -1), jnp.concatenate(aside, -1)


def closest(along, aside, heading):
    """(...) the lane that each point is on, from its :func:`coordinates` and its heading: the nearest, where a radian
    between the headings counts as a metre."""
    angle = jnp.abs(wrapped(heading[..., None] - heading_at(np.arange(20), along)))
    length = like(LENGTH, along)
    return jnp.argmin(jnp.abs(aside) + jnp.maximum(along - length, 0) + jnp.maximum(-along, 0) + angle, -1)


def heading_at(lane, along):
    """The heading of lanes so many metres along them."""
    return like(HEADING, along)[lane] + along * like(CURVE, along)[lane]


def place(lane, along):
    """The points (..., 2) on the centres of lanes, so many metres along them."""
    start, heading, curve = (like(table, along)[lane] for table in (START, HEADING, CURVE))
    return jnp.stack(along_curve(start[..., 0], start[..., 1], heading, curve, along), -1)


def along_curve(x, y, heading, curve, along):
    """x and y after so many metres from a point, with a heading there that changes by ``curve`` radians a metre."""
    half = along * curve / 2  # a chord's direction is the mean of the headings at its ends
    chord = along * jnp.sinc(half / np.pi)
    return x + chord * jnp.cos(heading + half), y + chord * jnp.sin(heading + half)


def like(constant: np.ndarray, other):
    """The constant in the precision of an array."""
    return jnp.asarray(constant, other.dtype)
