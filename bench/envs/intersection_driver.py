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

from bench.envs import intersection_foresight as foresight
from bench.envs.intersection_cars import FASTER, IDLE, SLOWER, Cars
from bench.envs.intersection_traffic import travelled

PLANS = np.array([FASTER, IDLE, SLOWER])  # in the order of preference


def decided(cars: Cars, outsiders: int):
    """(agent,) the meta-actions of this driver."""
    n, present = len(cars.speed) - outsiders, cars.present
    met = foresight.meetings(cars, outsiders)[..., :outsiders]
    free = jnp.where(present[:outsiders], met, jnp.inf).min((2, 3))
    among = foresight.among(cars, outsiders)
    among = jnp.where(present[outsiders:] & ~np.eye(n, dtype=bool)[:, None], among, jnp.inf)
    way = travelled(cars)
    order = jnp.argsort(jnp.where(present[outsiders:], -way[outsiders:], jnp.inf))
    choice = jnp.full(n, len(PLANS) - 1)
    for rank in range(n):
        agent = order[rank]
        others = jnp.take_along_axis(among[:, agent], choice[None, None], 1)[:, 0].min(-1)
        until = jnp.minimum(free[:, agent], others)  # (plan,) when it would meet somebody
        best = jnp.where(jnp.isinf(until).any(), jnp.argmax(jnp.isinf(until)), jnp.argmax(until))
        choice = choice.at[agent].set(best)
    return jnp.asarray(PLANS)[choice]


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
