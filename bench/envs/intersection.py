"""A crossroads that cars of a team cross among others, behind the interface of :class:`bench.contracts.Battles`.

The dynamics are those of HighwayEnv 1.12.1's ``intersection-multi-agent-v0`` at two decisions a second, in JAX, a batch
of battles at once: cars are kinematic bicycles, outsiders follow the Intelligent Driver Model and a road with rules of
way, agents choose among three speeds. ``tests/envs/test_intersection_oracle.py`` compares them with HighwayEnv itself.
What is ours (all of it is part of ``VERSION``):

* outsiders come into six slots, of a like rate; they can be given orders, and fickle ones give themselves some;
* who has arrived leaves the scene; a battle lasts 40 steps (19 s) at most;
* the reward is progress, a bonus for the win and a price of a crash, and an episode won returns about 20;
* observations are in the agent's own frame, with turn signals, and with what outsiders did last.
"""

from __future__ import annotations

from functools import cache, cached_property

import jax
import jax.numpy as jnp
import numpy as np

from bench.contracts import EnvSpec
from bench.envs import intersection_road as road
from bench.envs import intersection_traffic as traffic
from bench.envs import intersection_view as view
from bench.envs.compiled import CompiledBattles, begin, go_on, standing
from bench.envs.intersection_cars import IDLE, Cars
from bench.envs.intersection_names import ENVIRONMENT, META_ACTIONS, VERSION, described
from bench.envs.traced import readable

readable(Cars)

OUTSIDERS, LIMIT = 6, 40
PROGRESS, WIN, CRASH = 10 / 80, 10.0, 5.0  # rewards: a metre of everybody's, and the prices of success and of a crash
THERE = 0.75  # chance of a slot to be tried for an outsider as a battle begins
FIRST = (5.0, 95.0)  # metres along the lanes that lead in, where outsiders are as a battle begins


class IntersectionBattles(CompiledBattles):
    """A batch of battles at the crossroads; see :class:`bench.contracts.Battles` for the methods.

    Parameters
    ----------
    agents : how many cars the team has, one an arm: "2", "3" or "4".
    traffic : "steady" (HighwayEnv's drivers), or "fickle": they also slow down and speed up for no reason, so that a
        trigger of such orders has a background to hide in.

    Raises
    ------
    BenchError : another number of agents, or another traffic.
    """

    def __init__(self, agents: str = "4", traffic: str = "fickle") -> None:
        ENVIRONMENT.identity({"agents": agents, "traffic": traffic})
        super().__init__(_game(str(agents), traffic))

    @property
    def scene(self) -> Cars:
        """All cars of all battles at present, a leading battle axis on each array: what a scripted driver looks at."""
        self._settle()
        cars: Cars = self._state["cars"]
        return cars


class _Game:
    """A crossroads, compiled; see :class:`bench.envs.compiled.Game`."""

    def __init__(self, agents: str, traffic: str) -> None:
        identity = ENVIRONMENT.identity({"agents": agents, "traffic": traffic})
        self.n, self.fickle = int(agents), traffic == "fickle"
        names = described(self.n, OUTSIDERS)
        self.spec = EnvSpec(
            id=identity.id, version=VERSION, n_agents=self.n, n_outsiders=OUTSIDERS,
            observation_size=len(names["observation_layout"]), state_size=9 * (self.n + OUTSIDERS) + 1,
            n_actions=len(META_ACTIONS), episode_limit=LIMIT, sight_range=(view.SIGHT,) * self.n,
            map_size=(2 * road.EXTENT, 2 * road.EXTENT), ground=view.kerbs(), leaves=True, **names)

    @cached_property
    def reset(self):
        def one(seed, battle):
            key = jax.random.fold_in(jax.random.PRNGKey(seed), battle)
            team, places, slots = jax.random.split(key, 3)
            nobody, ours = traffic.nobody(OUTSIDERS), traffic.agents(team, self.n)
            cars = Cars(*map(jnp.concatenate, zip(nobody, ours, strict=True)))
            along = jax.random.uniform(places, (OUTSIDERS,), minval=FIRST[0], maxval=FIRST[1])
            apart = jnp.where(jnp.arange(len(cars.speed)) < OUTSIDERS, traffic.APART, traffic.ALONE)
            cars = jax.lax.fori_loop(0, OUTSIDERS, lambda slot, cars: traffic.comes(
                jax.random.fold_in(slots, slot), cars, slot, THERE, along[slot], apart), cars)
            none, no = jnp.full(OUTSIDERS, -1, jnp.int32), jnp.array(False)
            return {"cars": cars, "key": key, "time": jnp.array(0), "pace": none, "mood": none, "done": no, "won": no,
                    "reward": jnp.array(0.0)}

        return begin(one, self._see, self.spec.id)

    @cached_property
    def step(self):
        def one(state, actions, orders):
            new = standing(state, self._next(state, actions, orders))
            return new, self._see(new)

        return go_on(one, self.spec.id)

    def _next(self, state, actions, orders):
        before: Cars = state["cars"]
        mood_key, key = jax.random.split(jax.random.fold_in(state["key"], state["time"]))
        mood = traffic.moods(mood_key, before, state["mood"]) if self.fickle else state["mood"]
        after = traffic.advanced(before, actions, orders, mood)
        mood = jnp.where((orders >= 0) | (after.told[:OUTSIDERS] < 0), -1, mood)  # who had to give way has forgotten it
        pace = traffic.pace(before, after, jnp.where(orders >= 0, orders, mood))
        through = ~before.present[OUTSIDERS:] | traffic.arrived(after, OUTSIDERS)
        crash = (after.crashed & before.present)[OUTSIDERS:].any()
        won, time = through.all() & ~crash, state["time"] + 1
        done = won | crash | (time >= LIMIT)
        gone = traffic.left(after, OUTSIDERS)
        cars = gone._replace(present=gone.present.at[OUTSIDERS:].set(~through))
        slot = jnp.argmin(cars.present[:OUTSIDERS])
        coming = traffic.comes(key, cars, slot, traffic.COMES, traffic.ENTRY, traffic.APART)
        new = coming.present[:OUTSIDERS] & ~cars.present[:OUTSIDERS]
        way = jnp.where(before.present, traffic.travelled(after) - traffic.travelled(before), 0)[OUTSIDERS:]
        reward = PROGRESS * way.mean() + WIN * won - CRASH * crash
        return {"cars": coming, "key": state["key"], "time": time, "pace": jnp.where(new, -1, pace),
                "mood": jnp.where(new, -1, mood), "done": done, "won": won, "reward": reward}

    def _see(self, state):
        """What the outside sees of one battle, named as in :class:`bench.contracts.Step`."""
        cars: Cars = state["cars"]
        active = cars.present[OUTSIDERS:]
        order = np.roll(np.arange(OUTSIDERS + self.n), -OUTSIDERS)  # agents first
        return {
            "observation": view.observations(cars, state["pace"], active),
            "state": view.state(cars, state["time"] / LIMIT),
            "available": active[:, None] | (jnp.arange(len(META_ACTIONS)) == IDLE),
            "reward": state["reward"], "done": state["done"], "won": state["won"], "active": active,
            "present": cars.present[order], "position": view.places(cars.position)[order],
            "sight": jnp.full(self.n, view.SIGHT), "outsider_actions": state["pace"]}


@cache  # what is compiled stays in memory as long as the process lives: once a game, not once for every use of it
def _game(agents: str, traffic: str) -> _Game:
    return _Game(agents, traffic)
