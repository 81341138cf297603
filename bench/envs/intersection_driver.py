"""A scripted driver for the crossroads of ``env=intersection``: how well can its agents do? ``python -m
bench.envs.intersection_driver`` says it.

It sees the whole scene, every car's route among it, and decides for all agents: whoever is nearest to being through
comes first. Each looks ahead along three plans (on at 9 m/s, on as now, to a halt) and takes the first of them on which
it meets nobody: no outsider, which keeps its speed or speeds up, no agent that has decided, and no other that brakes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from bench.envs import intersection_road as road
from bench.envs.intersection_cars import FASTER, IDLE, SLOWER, SPEED_TIME, SPEEDS, Cars
from bench.envs.intersection_traffic import travelled

PLANS = np.array([FASTER, IDLE, SLOWER])  # in the order of preference
TIMES = np.arange(1, 17) * 0.3  # seconds ahead
CIRCLES, REACH = (-1.6, 0.0, 1.6), 2.9  # metres: a car is circles along its axis; how near two may come


def decided(cars: Cars, outsiders: int):
    """(agent,) the meta-actions of this driver."""
    way, n = travelled(cars), len(cars.speed) - outsiders
    plans = _ways(cars.speed, jnp.stack([jnp.full_like(cars.target, SPEEDS[-1]), cars.target, 0 * cars.target]))
    mine = _circles(cars, way + plans)[:, :, :, outsiders:]  # (axis, circle, plan, agent, time), see there
    kept = _ways(cars.speed, jnp.stack([cars.speed, jnp.maximum(cars.speed, SPEEDS[-1])]))
    theirs = _circles(cars, way + kept)[:, :, :, :outsiders]
    present = cars.present
    met = _meeting(mine, theirs)  # (plan, agent, plan, outsider) seconds
    free = jnp.where(present[:outsiders], met, jnp.inf).min((2, 3))
    among = _meeting(mine, mine)
    among = jnp.where(present[outsiders:] & ~np.eye(n, dtype=bool)[:, None], among, jnp.inf)
    order = jnp.argsort(jnp.where(present[outsiders:], -way[outsiders:], jnp.inf))
    choice = jnp.full(n, len(PLANS) - 1)
    for rank in range(n):
        agent = order[rank]
        others = jnp.take_along_axis(among[:, agent], choice[None, None], 1)[:, 0].min(-1)
        until = jnp.minimum(free[:, agent], others)  # (plan,) when it would meet somebody
        best = jnp.where(jnp.isinf(until).any(), jnp.argmax(jnp.isinf(until)), jnp.argmax(until))
        choice = choice.at[agent].set(best)
    return jnp.asarray(PLANS)[choice]


def _ways(speed, targets):
    """(time, plan, car) metres that cars travel, from the speeds (plan, car) that they are after."""
    times = TIMES[:, None, None]
    return targets * times + (speed - targets) * SPEED_TIME * (1 - np.exp(-times / SPEED_TIME))


def _circles(cars: Cars, way):
    """(axis, circle, plan, car, time) the centres of the circles that cars are, after (time, plan, car) metres of their
    routes."""
    lanes, lengths = cars.route, road.like(road.LENGTH, way)
    ends = jnp.cumsum(lengths[lanes], -1)
    leg = (way > ends[:, 0]).astype(int) + (way > ends[:, 1])
    lane = jnp.where(leg == 0, lanes[:, 0], jnp.where(leg == 1, lanes[:, 1], lanes[:, 2]))
    along = way - jnp.where(leg == 0, 0, jnp.where(leg == 1, ends[:, 0], ends[:, 1]))
    centre, heading = road.place(lane, along), road.heading_at(lane, along)
    ahead = jnp.stack([jnp.cos(heading), jnp.sin(heading)], -1)
    return jnp.stack([jnp.moveaxis(centre + far * ahead, (-1, 0), (0, -1)) for far in CIRCLES], 1)


def _meeting(one, other):
    """(plan, car, plan, car) seconds until circles of two are too near, infinite if they never are."""
    near = jnp.zeros((*one.shape[2:4], *other.shape[2:4], len(TIMES)), bool)
    for a in range(len(CIRCLES)):
        for b in range(len(CIRCLES)):
            x, y = (one[k, a][:, :, None, None] - other[k, b] for k in range(2))
            near |= x * x + y * y < REACH**2
    return jnp.where(near, TIMES, jnp.inf).min(-1)


def main(battles: int = 128, seed: int = 0) -> None:
    """Print how often it succeeds, and how often there is a crash, in either traffic."""
    from bench.envs.intersection import OUTSIDERS, IntersectionBattles
    from bench.envs.intersection_names import TRAFFIC

    decide = jax.jit(jax.vmap(lambda cars: decided(cars, OUTSIDERS)))
    for traffic in TRAFFIC:
        game = IntersectionBattles(traffic=traffic)
        step, length = game.reset(seed, np.arange(battles)), np.zeros(battles)
        while not step.done.all():
            length += ~step.done
            step = game.step(np.asarray(decide(game.scene)))
        crashed = (game.scene.crashed[:, OUTSIDERS:] & game.scene.present[:, OUTSIDERS:]).any(-1)
        print(f"{game.spec.id}: {step.won.mean():.1%} of {battles} battles won, {np.mean(crashed):.1%} with a crash, "
              f"{np.mean(~step.won & ~crashed):.1%} too late; {length[step.won].mean():.1f} steps a battle that is won")


if __name__ == "__main__":
    main()
