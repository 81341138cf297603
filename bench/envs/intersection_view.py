"""What is seen of the crossroads of ``env=intersection``: by each agent, and by the mixer in training."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from bench.envs import intersection_foresight as foresight
from bench.envs import intersection_road as road
from bench.envs.intersection_cars import IDLE, SPEEDS, Cars
from bench.envs.intersection_traffic import ARRIVES, travelled

SIGHT = 70.0  # metres
FAST = 10.0  # m/s, the unit of speeds
HORIZON = foresight.TIMES[-1] + 0.3  # seconds, the unit of meetings
WAY = road.ACCESS + 2 * road.INNER + ARRIVES  # metres of a route, the unit of progress


def observations(cars: Cars, pace, active):
    """(agent, feature) as ``bench.envs.intersection_names`` has it: other cars in the agent's own frame, lengths in
    units of sight; zeros of what is out of sight or gone, and to an agent that is through."""
    n = len(active)
    outsiders = len(cars.speed) - n
    progress, signals = travelled(cars) / WAY, jnp.eye(3)[cars.turn]
    cos, sin = jnp.cos(cars.heading), jnp.sin(cars.heading)
    offset = (cars.position - cars.position[outsiders:, None]) / SIGHT  # (agent, car, 2)
    x, y, c, s = offset[..., 0], offset[..., 1], cos[outsiders:, None], sin[outsiders:, None]
    seen = cars.present & (jnp.hypot(x, y) < 1)
    last = jnp.concatenate([jnp.where(pace < 0, 0, pace - IDLE), jnp.zeros(n, pace.dtype)])
    everybody = (seen, c * x + s * y, c * y - s * x, cars.speed / FAST, c * cos + s * sin, c * sin - s * cos)
    shape = seen.shape
    kin = [jnp.broadcast_to(value, shape) for value in everybody]
    turns = [jnp.broadcast_to(signals[:, k], shape) for k in range(3)]
    each = jnp.stack([*kin, jnp.broadcast_to(progress, shape), *turns], -1) * seen[..., None]
    moves = jnp.stack([*kin, jnp.broadcast_to(last, shape), *turns], -1) * seen[..., None]
    meets = jnp.maximum(1 - foresight.meetings(cars, outsiders) / HORIZON, 0)  # (own plan, agent, other plan, car)
    meets = meets.transpose(1, 3, 2, 0).reshape(*shape, -1) * seen[..., None]
    each, moves = (jnp.concatenate([part, meets], -1) for part in (each, moves))
    others = np.array([[k for k in range(n) if k != i] for i in range(n)])
    allies = each[np.arange(n)[:, None], outsiders + others]
    mine = slice(outsiders, None)
    aside = jnp.concatenate([_aside(cars)[mine, None] / road.WIDTH, cars.speed[mine, None] / FAST,
                             cars.target[mine, None] / SPEEDS[-1], cos[mine, None], sin[mine, None]], -1)
    own = jnp.concatenate([(cars.arm[mine, None] % 2), progress[mine, None], aside, signals[mine]], -1)
    seen_by = jnp.concatenate([own, allies.reshape(n, -1), moves[:, :outsiders].reshape(n, -1)], -1)
    return jnp.where(active[:, None], seen_by, 0).astype(jnp.float32)


def _aside(cars: Cars):
    """(car,) metres from the centre of the lane that it steers along."""
    _, aside = road.coordinates(cars.position)
    lane = jnp.take_along_axis(cars.route, cars.leg[:, None], -1)
    return jnp.take_along_axis(aside, lane, -1)[:, 0]


def state(cars: Cars, time):
    """(feature,) of the whole scene in [0, 1]; ``time`` in [0, 1]."""
    kinds = jnp.concatenate([cars.position / (2 * road.EXTENT) + 0.5, cars.speed[:, None] / FAST,
                             cars.direction / 2 + 0.5, jnp.eye(3)[cars.turn]], -1) * cars.present[:, None]
    scene = jnp.concatenate([cars.present[:, None], kinds], -1).reshape(-1)
    return jnp.clip(jnp.append(scene, time), 0, 1).astype(jnp.float32)


def kerbs() -> tuple[tuple[tuple[float, float], ...], ...]:
    """The edges and the centre lines of the roads, in map units: what a replay draws beneath the cars."""
    bend, turn = road.INNER - road.WIDTH, np.linspace(0, np.pi / 2, 7)
    corner = road.INNER - bend * np.stack([np.cos(turn), np.sin(turn)], -1)
    edge = np.concatenate([[(road.WIDTH, road.EXTENT)], corner, [(road.EXTENT, road.WIDTH)]])
    centre = np.array([(0.0, road.INNER), (0.0, road.EXTENT)])
    quarter = np.array([(0, 1), (-1, 0)])
    lines = [line @ np.linalg.matrix_power(quarter, arm) for line in (edge, centre) for arm in range(4)]
    return tuple(tuple((float(x), float(y)) for x, y in (line + road.EXTENT).round(2)) for line in lines)


def places(position):
    """Points (..., 2) in map units: x to the east from 0, y to the north from 0."""
    return jnp.stack([position[..., 0], -position[..., 1]], -1) + road.EXTENT
