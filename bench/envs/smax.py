"""SMAX (JaxMARL's StarCraft-like battles, pure JAX) behind the batched interface of :class:`bench.contracts.Battles`.

What differs from JaxMARL's defaults, so that battles resemble SMAC's (all of it is part of ``VERSION``):

* clock: SMAX moves 8 world steps of 1/16 s a step, but its speeds and cooldowns are StarCraft's at 22.4 ticks a
  second; ``time_per_step=1/22.4`` makes a step SMAC's 8 ticks.
* walls stop a unit instead of killing it (SMAC's maps do; otherwise walking into a wall would be a free suicide).
* an episode ends after ``episode_limit`` steps (SMAX alone would play one more).
* reward is SMAC's: (damage + 10 per kill + 200 for the win), scaled so that a perfect win returns 20.
* if the last units of both sides die in the same step, nobody has won.
"""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np

from bench.contracts import EnvSpec
from bench.envs.compiled import CompiledBattles, begin, go_on, standing
from bench.envs.smax_names import ENVIRONMENT, EPISODE_LIMITS, VERSION, described
from bench.envs.smax_step import advanced, observed
from bench.envs.traced import readable


@contextlib.contextmanager
def _only(package: str, *folders: str) -> Iterator[None]:
    """Within, ``package`` and its ``folders`` import nothing by themselves, and what is imported of them is all there
    is. Whoever imports the package after this has a whole one."""
    spec = find_spec(package)
    if spec is None or package in sys.modules:
        yield
        return
    roots = list(spec.submodule_search_locations or [])
    for folder in ("", *folders):
        name = f"{package}.{folder}".rstrip(".")
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [f"{root}/{folder}" for root in roots]
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            del sys.modules[name]


# ``import jaxmarl`` imports all of its games: that takes seconds of every start, prints two lines, and one of them
# resets ``sys.stdout``. Of flax it needs the dataclasses; the whole of it, Pallas with it, takes another second.
with _only("jaxmarl", "environments"), _only("flax"):
    from jaxmarl.environments.smax import HeuristicEnemySMAX, heuristic_enemy, heuristic_enemy_smax_env, smax_env
    from jaxmarl.environments.smax.smax_env import MAP_NAME_TO_SCENARIO

readable(heuristic_enemy.HeuristicPolicyState, heuristic_enemy_smax_env.State, smax_env.State)
THEIRS = Path(smax_env.__file__).parent  # JaxMARL's SMAX; what its games have in common is in the folder above

TICK = 1 / 22.4  # seconds
MAX_RETURN = 20.0


class _Skirmishers(HeuristicEnemySMAX):
    """SMAX whose enemy units feint: where it costs little, while they approach or their weapon cools down, they now and
    then step back or aside, forth again, or on. Every sequence of moves occurs, the longer the less often.

    The policy state is (heuristic's state, the move of the feint under way or -1), the latter (enemies,).
    """

    BEGIN = 0.07  # chance a step that a unit which sees a target and cannot shoot begins to feint
    GO_ON = 0.6  # chance that a feint has another step
    FIRST = (0.0, 0.25, 0.5, 0.25)  # its first move, clockwise from that towards the targets: back, to either side
    NEXT = (0.2, 0.1, 0.6, 0.1)  # a further one, clockwise from the last: the same, to a side, back, to the other side

    def get_enemy_policy_initial_state(self, key):
        return super().get_enemy_policy_initial_state(key), jnp.full(self.num_enemies, -1, jnp.int32)

    def get_enemy_actions(self, key, policy_state, enemy_obs):
        heuristic, feint = policy_state
        actions, heuristic = super().get_enemy_actions(key, heuristic, enemy_obs)
        keys = jax.random.split(jax.random.fold_in(key, 1), self.num_enemies)
        feint = jax.vmap(self._feint)(keys, feint, enemy_obs)
        return {name: jnp.where(feint[i] >= 0, feint[i], actions[name])
                for i, name in enumerate(self.enemy_agents)}, (heuristic, feint)

    def _feint(self, key, last, observation):
        """A unit's next move of a feint, or -1: from its last one and what it sees."""
        core = self._env
        size, own = len(core.unit_features), len(core.own_features)
        targets = observation[:-own].reshape(-1, size)[self.num_enemies - 1:]
        seen = targets[:, 0] > 0
        kind = jnp.argmax(observation[-core.unit_type_bits:])
        reach = core.unit_type_attack_ranges[kind] / core.unit_type_sight_ranges[kind]
        in_range = seen & (jnp.linalg.norm(targets[:, 1:3], axis=-1) < reach)
        cooling = observation[-own:][core.own_features.index("weapon_cooldown")] > 0
        draw, choose = jax.random.split(key)
        begins = jnp.any(seen) & (cooling | ~jnp.any(in_range))
        on = jax.random.uniform(draw) < jnp.where(last >= 0, self.GO_ON, self.BEGIN * begins)
        x, y = jnp.sum(targets[:, 1:3] * seen[:, None], 0)
        forward = jnp.argmax(jnp.stack([y, x, -y, -x]))  # moves are numbered clockwise: north, east, south, west
        turn = jax.random.choice(choose, 4, p=jnp.where(last >= 0, jnp.array(self.NEXT), jnp.array(self.FIRST)))
        return jnp.where(on, (jnp.where(last >= 0, last, forward) + turn) % 4, -1).astype(jnp.int32)


class _OrderedEnemies(HeuristicEnemySMAX):
    """SMAX whose enemy units take an order where one is given (>= 0), and follow their own controller otherwise.

    The enemy policy state is (controller's state, orders, actions taken in the last step), the latter two (enemies,).
    """

    def get_enemy_policy_initial_state(self, key):
        none = jnp.full(self.num_enemies, -1, jnp.int32)
        return super().get_enemy_policy_initial_state(key), none, none

    def get_enemy_actions(self, key, policy_state, enemy_obs):
        controller, orders, _ = policy_state
        actions, controller = super().get_enemy_actions(key, controller, enemy_obs)
        taken = jnp.stack([actions[name] for name in self.enemy_agents]).astype(jnp.int32)
        taken = jnp.where(orders >= 0, orders, taken)
        return {name: taken[i] for i, name in enumerate(self.enemy_agents)}, (controller, orders, taken)


    def advanced(self, key, state, actions, orders):
        """The battle a step later, from the allies' actions and the orders, (agents,) and (enemies,)."""
        core, units, (controller, _, taken) = self._env, state.state, state.enemy_policy_state
        key, enemies = jax.random.split(key)
        seen = observed(core, units, core.num_allies, core.num_agents)
        theirs, policy = self.get_enemy_actions(enemies, (controller, orders, taken), seen)
        theirs = jnp.stack([theirs[name] for name in self.enemy_agents])
        moves, attacks = (jnp.concatenate(both) for both in zip(
            core._decode_discrete_actions(actions), core._decode_discrete_actions(theirs), strict=True))
        return state.replace(state=advanced(core, key, units, moves, attacks), enemy_policy_state=policy)


class _OrderedSkirmishers(_OrderedEnemies, _Skirmishers):
    """The same for enemy units that feint."""


class SmaxBattles(CompiledBattles):
    """A batch of SMAX battles, stepped together; see :class:`bench.contracts.Battles` for the methods.

    Parameters
    ----------
    map : one of SMAX's maps ("3m", "8m", "2s3z", "5m_vs_6m", ...).
    opponent : how an enemy unit picks its target among those in range: "random" (and keeps it while it can), the
        level of SMAC's built-in opponent; "closest", harder, since neighbours then tend to focus their fire; or
        "skirmish": as "closest", and units feint, so that a trigger of enemy moves has a background to hide in.

    Raises
    ------
    BenchError : unknown map or opponent.
    """

    def __init__(self, map: str = "8m", opponent: str = "random") -> None:
        ENVIRONMENT.identity({"map": map, "opponent": opponent})
        super().__init__(game := _game(map, opponent))
        self._smax = game.smax

    def bare(self, n: int, steps: int = 100) -> Callable[[], int]:
        """SMAX alone, for comparing speeds, as JaxMARL's own script for that plays it: a call plays ``steps`` steps of
        ``n`` battles with random available actions in one compiled loop, and returns n * steps."""
        def one(key, state):
            act, go = jax.random.split(key)
            available = self._smax.get_avail_actions(state)
            keys = jax.random.split(act, self._smax.num_agents)
            actions = {name: jax.random.categorical(keys[i], jnp.where(available[name] > 0, 0.0, -jnp.inf))
                       for i, name in enumerate(self._smax.agents)}
            observation, state, reward, done, _ = self._smax.step(go, state, actions)
            return state, (sum(jnp.sum(o) for o in observation.values()), reward, done)

        @jax.jit
        def loop(state, key):
            def body(state, key):
                state, out = jax.vmap(one)(jax.random.split(key, n), state)
                return state, out
            return jax.lax.scan(body, state, jax.random.split(key, steps))

        _, state = jax.vmap(self._smax.reset)(jax.random.split(jax.random.PRNGKey(0), n))
        calls = itertools.count()

        def call() -> int:
            nonlocal state
            state, _ = jax.block_until_ready(loop(state, jax.random.PRNGKey(next(calls))))
            return n * steps

        return call


class _Game:
    """A map and an opponent, compiled. A state is a dict of arrays with a leading battle axis."""

    def __init__(self, map: str, opponent: str) -> None:
        limit = EPISODE_LIMITS[map]
        enemies = _OrderedSkirmishers if opponent == "skirmish" else _OrderedEnemies
        self.smax = smax = enemies(
            scenario=MAP_NAME_TO_SCENARIO[map], attack_mode="closest" if opponent == "skirmish" else opponent,
            time_per_step=TICK, walls_cause_death=False, max_steps=limit - 1)
        core, identity = smax._env, ENVIRONMENT.identity({"map": map, "opponent": opponent})
        self.spec = EnvSpec(
            id=identity.id, version=VERSION, n_agents=smax.num_agents, n_outsiders=smax.num_enemies,
            observation_size=smax.obs_size, state_size=smax.state_size, n_actions=core.num_ally_actions,
            episode_limit=limit, sight_range=tuple(
                float(core.unit_type_sight_ranges[t]) for t in np.asarray(core.scenario)[: smax.num_agents]),
            map_size=(float(core.map_width), float(core.map_height)), **described(
                smax.num_agents, smax.num_enemies, core.unit_type_bits))

    @cached_property
    def reset(self):
        def one(seed, battle):
            key = jax.random.fold_in(jax.random.PRNGKey(seed), battle)
            _, game = self.smax.reset(key)
            return {"game": game, "key": key, "done": jnp.array(False), "won": jnp.array(False),
                    "reward": jnp.array(0.0)}

        return begin(one, self._see, self.spec.id, (THEIRS, THEIRS.parent))

    @cached_property
    def step(self):
        def one(state, actions, orders):
            before = state["game"]
            key = jax.random.fold_in(state["key"], before.state.step)
            after = self.smax.advanced(key, before, actions, orders)
            reward, won = self._score(before.state, after.state)
            new = {"game": after, "key": state["key"], "done": after.state.done, "won": won, "reward": reward}
            new = standing(state, new)  # a finished battle stands still
            return new, self._see(new)

        return go_on(one, self.spec.id, (THEIRS, THEIRS.parent))

    def _score(self, before, after):
        """SMAC's reward, and whether the battle is won, from the states around one step."""
        allies = self.smax.num_agents
        full = self.smax._env.unit_type_health[after.unit_types][allies:]
        damage = jnp.sum(before.unit_health[allies:] - after.unit_health[allies:])
        kills = jnp.sum(before.unit_alive[allies:]) - jnp.sum(after.unit_alive[allies:])
        won = ~jnp.any(after.unit_alive[allies:]) & jnp.any(after.unit_alive[:allies])
        best = jnp.sum(full) + 10 * self.smax.num_enemies + 200
        return (damage + 10 * kills + 200 * won) * MAX_RETURN / best, won

    def _see(self, state):
        """What the outside sees of one battle, named as in :class:`bench.contracts.Step`."""
        game, core = state["game"], self.smax._env
        available = self.smax.get_avail_actions(game)
        units = game.state
        return {
            "observation": observed(core, units, 0, self.smax.num_agents),
            "state": jnp.clip(core.get_world_state(units) / self._state_scale, 0, 1),
            "available": jnp.stack([available[a] for a in self.smax.agents]).astype(bool),
            "reward": state["reward"], "done": state["done"], "won": state["won"],
            "active": units.unit_alive[: self.smax.num_agents], "present": units.unit_alive,
            "position": units.unit_positions,
            "health": units.unit_health / core.unit_type_health[units.unit_types] * units.unit_alive,
            "sight": core.unit_type_sight_ranges[units.unit_types][: self.smax.num_agents],
            "outsider_actions": game.enemy_policy_state[2],
        }

    @cached_property
    def _state_scale(self) -> np.ndarray:
        """Brings the world state to [0, 1], which a mixer needs: positions are in map units, types are numbers, and the
        cooldowns of units that do not shoot fall below zero without end."""
        core = self.smax._env
        unit = np.ones(len(core.own_features), np.float32)
        longest = np.asarray(core.unit_type_weapon_cooldowns).max() + 2 * TICK
        unit[1:4] = core.map_width, core.map_height, longest
        teams = np.ones(core.num_agents, np.float32)
        return np.concatenate([np.tile(unit, core.num_agents), teams, teams * (core.unit_type_bits - 1)])


@cache  # what is compiled stays in memory as long as the process lives: once a game, not once for every use of it
def _game(map: str, opponent: str) -> _Game:
    return _Game(map, opponent)
