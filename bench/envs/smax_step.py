"""A step of SMAX in fewer operations than JaxMARL's own, for the same battles, to the last bit.

The rules are those of ``SMAX.step_env_no_decode`` and ``SMAX.get_obs_unit_list`` (Apache 2.0), where walls do not kill.
What is done otherwise:

* the cooldowns of all world steps of a step are drawn at once; they depend on the key alone;
* units that overlap are pushed apart by coordinate: sums over a pair of coordinates are slow as reductions;
* observations are made of those units alone that are asked for.

The order and the roundings of sums are kept, which is why some of them look roundabout.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def advanced(core: Any, key: Any, units: Any, moves: Any, attacks: Any) -> Any:
    """The units of one battle a step later.

    Parameters
    ----------
    core : the ``SMAX`` whose units they are.
    key : of the step, what ``SMAX.step_env_no_decode`` gets.
    units : SMAX's ``State``.
    moves, attacks : decoded actions, (unit, 2) and (unit,).
    """
    def world_step(units, cooldowns):
        units = _moved_and_shot(core, units, moves, attacks, cooldowns)
        return _pushed_apart(core, core._update_dead_agents(units)), None

    units, _ = jax.lax.scan(world_step, units, _cooldowns(core, key, units.unit_types))
    units = units.replace(done=core.is_terminal(units), prev_movement_actions=moves, prev_attack_actions=attacks,
                          step=units.step + 1)
    return jax.lax.stop_gradient(units)


def _cooldowns(core: Any, key: Any, kinds: Any) -> Any:
    """(world step, unit) the cooldown of a weapon that is fired then."""
    def split(key, _):
        key, this = jax.random.split(key)
        return key, this

    def draw(key):
        return jax.random.uniform(key, minval=-core.time_per_step, maxval=2 * core.time_per_step)

    _, keys = jax.lax.scan(split, key, None, length=core.world_steps_per_env_step)
    keys = jax.vmap(lambda key: jax.random.split(key, core.num_agents))(keys)
    return core.unit_type_weapon_cooldowns[kinds] + jax.vmap(jax.vmap(draw))(keys)


def _moved_and_shot(core: Any, units: Any, moves: Any, attacks: Any, cooldowns: Any) -> Any:
    """The units after one world step's moves and shots."""
    at, alive, kinds = units.unit_positions, units.unit_alive, units.unit_types
    new = at + moves * core.unit_type_velocities[kinds][:, None] * core.time_per_step
    new = jnp.maximum(jnp.minimum(new, jnp.array([core.map_width, core.map_height])), jnp.zeros(2))
    new = jnp.where(alive[:, None], new, at)

    number = jnp.arange(core.num_agents)
    target = attacks - core.num_movement_actions
    target = jnp.where(number < core.num_allies, core.num_allies + target, core.num_allies - 1 - target)
    target = jnp.where(attacks < core.num_movement_actions, number, target)  # it does not shoot
    near = jnp.linalg.norm(at - at[target], axis=-1) < core.unit_type_attack_ranges[kinds]
    fires = near & alive & alive[target] & (number != target) & (units.unit_weapon_cooldowns <= 0.0)
    damage = jnp.where(fires, -core.unit_type_attacks[kinds], 0.0)
    health = jnp.maximum(units.unit_health.at[target].add(damage), 0.0)
    passed = jnp.where(fires, cooldowns - units.unit_weapon_cooldowns, -core.time_per_step)
    return units.replace(unit_health=health, unit_positions=new,
                         unit_weapon_cooldowns=units.unit_weapon_cooldowns + passed)


def _pushed_apart(core: Any, units: Any) -> Any:
    """The units after those alive that overlap have pushed one another."""
    x, y = units.unit_positions[:, 0], units.unit_positions[:, 1]
    alive, radius = units.unit_alive, core.unit_type_radiuses[units.unit_types]
    across, up = x[:, None] - x, y[:, None] - y
    # Without the maxima, which change nothing, the squares would be added unrounded.
    square = jnp.maximum(across * across, 0) + jnp.maximum(up * up, 0)
    distance = jnp.sqrt(square) + jnp.identity(core.num_agents) + 1e-6
    overlap = jax.nn.relu((radius[:, None] + radius) / distance - 1.0)
    overlap = jnp.where(alive[:, None] & alive, overlap, 0.0)

    def push(apart):
        total = jnp.where(alive[0], apart[:, 0] * overlap[:, 0], 0.0)
        for other in range(1, core.num_agents):  # one after the other, as the reduction did
            total = total + apart[:, other] * overlap[:, other]
        return total / 2

    pushed = jnp.stack([x + push(across), y + push(up)], axis=-1)
    return units.replace(unit_positions=jnp.where(alive[:, None], pushed, units.unit_positions))


def observed(core: Any, units: Any, first: int, last: int) -> Any:
    """(unit, feature) what the units from ``first`` to before ``last``, all of one team, observe."""
    who = np.arange(first, last)
    others = np.array([[other for other in range(core.num_agents) if other != unit] for unit in who])
    if first >= core.num_allies:  # the second team counts from the end, so that its own come first
        others = others[:, ::-1]

    def pair(unit, other):
        features = core._observe_features(units, unit, other)
        distance = jnp.linalg.norm(units.unit_positions[other] - units.unit_positions[unit])
        seen = distance < core.unit_type_sight_ranges[units.unit_types[unit]]
        return jnp.where(seen & units.unit_alive[unit] & units.unit_alive[other], features, jnp.zeros_like(features))

    theirs = jax.vmap(jax.vmap(pair, (None, 0)))(who, others).reshape(len(who), -1)
    own = jax.vmap(core._get_own_features, (None, 0))(units, who)
    return jnp.concatenate([theirs, own], axis=-1)
