"""SMAC on StarCraft II itself, through oxwhirl/smac and pysc2, behind :class:`bench.contracts.Battles`' interface.

What differs from SMAC, so that battles are what the contract says:

* a battle has a game of its own (``create_game``), whose random seed is drawn from (seed, number) by numpy's
  SeedSequence. SMAC kills all units and goes on with the random numbers of the battles before.
* outsiders take orders, by the debug command ``control_enemy``, which is sent with a battle's first order, and by raw
  commands: a move of two cells or a stop, for a step. Then their unit is sent on as the map sent it, attacking on its
  way, to where the agents began. A unit that was told to stop still shoots at who comes near.
* what an outsider does that was given no order is inferred from where it goes: Blizzard's game does not show the
  orders of the built-in opponent. One that stands, as those that shoot do, has done nothing that has a name (-1).
* the state is brought to [0, 1], which a mixer needs: SMAC's positions lie in [-.5, .5], and its cooldowns reach 1.05.

Everything else, observations, available actions, reward and limits, is SMAC's own with its default options.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from bench.contracts import NOBODY, EnvSpec, Step
from bench.envs import smac_doctor
from bench.envs.smac_names import ABSENT, DOCTOR, ENVIRONMENT, EXTRAS, MAP_SIZE, described, map_file, root
from bench.errors import BenchError

MOST = 64  # games at once
NOTHING, STOP = 0, 1  # SMAC's actions of the dead, and of a unit that cannot do what it was told
PLACES = ("rel_x", "rel_y")  # of SMAC's state: those that lie around 0


class SmacBattles:
    """A batch of SMAC's battles, each in a game of its own; see :class:`bench.contracts.Battles` for the methods.

    A battle is named by (seed, battle number) and does not depend on the batch around it. A game that crashes or hangs
    is replaced, and its battle played again to where it was.

    Parameters
    ----------
    map : one of SMAC's ("3m", "8m", "2s3z", "5m_vs_6m", ...).
    difficulty : of the built-in opponent, "1" to "9".
    games : how many battles whoever plays should have under way, as each of them takes a process.
    seconds : how long a game may take for a request.

    Raises
    ------
    BenchError : unknown map or difficulty; smac, pysc2, the game or the map is not installed.
    """

    doctor = staticmethod(smac_doctor.checks)

    def __init__(self, map: str = "8m", difficulty: str = "7", games: int = 4, seconds: int = 30) -> None:
        identity = ENVIRONMENT.identity({"map": map, "difficulty": difficulty})
        for name, value in (("games", games), ("seconds", seconds)):
            if type(value) is not int or value < 1:
                raise BenchError(f"env.{name} is {value}; allowed: whole numbers from 1")
        require_smac()
        if identity.version == ABSENT:
            raise BenchError(f"env=smac needs StarCraft II with SMAC's map: there is no Versions/Base... or no "
                             f"{map_file(map).relative_to(root())} in {root()} (SC2PATH); {DOCTOR}")
        from smac.env import StarCraft2Env

        from bench.envs import smac_pool

        self.at_once = games
        self._pool = smac_pool.pool(map, str(difficulty))
        smac_pool.limit(seconds)
        env = StarCraft2Env(map_name=map, difficulty=str(difficulty))  # of the sizes; starts nothing
        self.spec = EnvSpec(
            id=identity.id, version=identity.version, n_agents=env.n_agents, n_outsiders=env.n_enemies,
            observation_size=env.get_obs_size(), state_size=env.get_state_size(), n_actions=env.n_actions,
            episode_limit=env.episode_limit,
            sight_range=tuple(float(env.unit_sight_range(k)) for k in range(env.n_agents)), map_size=MAP_SIZE,
            **described(env))
        self.state_shift = state_shift(env)
        self._games: list[Any] = []
        self._threads = ThreadPoolExecutor(MOST)
        weakref.finalize(self, self._pool.give_back, self._games)
        self._seed = 0
        self._slots: dict[str, np.ndarray] = {}  # of every battle: its number, the steps made and what was done in them
        self._seen: dict[str, np.ndarray] = {}  # what the outside sees

    def reset(self, seed: int, battles: np.ndarray) -> Step:
        n, spec = len(battles), self.spec
        if len(self._games) != n:
            self._pool.give_back(self._games)
            self._games += self._pool.take(n)
        bodies = spec.n_agents + spec.n_outsiders
        self._seed = seed
        self._slots = {"number": np.array(battles), "time": np.zeros(n, int),
                       "done": np.full((n, spec.episode_limit, bodies), NOBODY, np.int8)}
        self._seen = {
            "observation": np.zeros((n, spec.n_agents, spec.observation_size), np.float32),
            "state": np.zeros((n, spec.state_size), np.float32),
            "available": np.zeros((n, spec.n_agents, spec.n_actions), bool), "reward": np.zeros(n, np.float32),
            "done": np.zeros(n, bool), "won": np.zeros(n, bool), "active": np.zeros((n, spec.n_agents), bool),
            "present": np.zeros((n, bodies), bool), "position": np.zeros((n, bodies, 2), np.float32),
            "sight": np.tile(np.array(spec.sight_range, np.float32), (n, 1)),
            "outsider_actions": np.zeros((n, spec.n_outsiders), int), "health": np.zeros((n, bodies), np.float32)}
        return self._all(np.arange(n))

    def step(self, actions: np.ndarray, orders: np.ndarray | None = None) -> Step:
        slots, (n, agents) = self._slots, actions.shape
        possible = self._seen["available"][np.arange(n)[:, None], np.arange(agents), actions]
        if not possible.all():  # smac refuses the others
            actions = np.where(possible, actions, np.where(self._seen["active"], STOP, NOTHING))
        rows = np.empty((n, agents + self.spec.n_outsiders), np.int8)
        rows[:, :agents], rows[:, agents:] = actions, NOBODY if orders is None else orders
        self._seen = {name: value.copy() for name, value in self._seen.items()}
        self._seen["reward"][:] = 0
        on = np.nonzero(~self._seen["done"])[0]
        step = self._all(on, rows)
        slots["done"][on, slots["time"][on]] = rows[on]
        slots["time"][on] += 1
        return step

    def replace(self, slots: np.ndarray, battles: np.ndarray) -> Step:
        self._slots["number"][slots], self._slots["time"][slots] = battles, 0
        self._seen = {name: value.copy() for name, value in self._seen.items()}
        return self._all(slots)

    def snapshot(self) -> dict[str, Any]:
        """Names of battles and all that was done in them, from which they can be played again; the games' bookmarks are
        put there too."""
        if not self._seen:
            return {}
        running = np.nonzero(~self._seen["done"])[0]
        self._each([lambda game=self._games[i]: self._pool.save(game) for i in running])  # type: ignore[misc]
        copied = {f"slots.{name}": value.copy() for name, value in self._slots.items()}
        return {"seed": self._seed} | copied | {f"seen.{name}": value for name, value in self._seen.items()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Battles are played to where they were when the next step is asked for."""
        if not snapshot:
            return
        self._seed = snapshot["seed"]
        for part in ("slots", "seen"):
            setattr(self, f"_{part}", {name.removeprefix(f"{part}."): value.copy() for name, value in snapshot.items()
                                       if name.startswith(f"{part}.")})
        if len(self._games) != (n := len(self._slots["number"])):
            self._pool.give_back(self._games)
            self._games += self._pool.take(n)

    def bare(self, n: int, steps: int = 100) -> Callable[[], int]:
        """SMAC alone, for comparing speeds: a call plays ``steps`` steps of ``n`` games, each in a thread, with random
        available actions, looks at all that a team is shown, and returns n * steps."""
        from smac.env import StarCraft2Env

        _, map, difficulty = self.spec.id.split("/")
        envs = [StarCraft2Env(map_name=map, difficulty=difficulty) for _ in range(n)]
        rng = np.random.default_rng(0)

        def play(env: Any) -> None:
            for _ in range(steps):
                available = np.array(env.get_avail_actions())
                if env.step(np.where(available, rng.random(available.shape), -1).argmax(-1))[1]:
                    env.reset()
                env.get_obs(), env.get_state()

        def call() -> int:
            self._each([partial(play, env) for env in envs])
            return n * steps

        self._each([env.reset for env in envs])
        return call

    def _all(self, slots: np.ndarray, rows: np.ndarray | None = None) -> Step:
        """Let the games of some slots, all at once, begin their battles or, if actions and orders (slot, body) are
        given, make a step; then look."""
        def one(i: int) -> Callable[[], None]:
            def work() -> None:
                name, time = (self._seed, int(self._slots["number"][i])), self._slots["time"][i]
                if rows is None:
                    self._pool.begin(self._games[i], name)
                else:
                    self._pool.step(self._games[i], name, self._slots["done"][i, :time].tobytes(), rows[i],
                                    self._seen["observation"][i])
                self._look(i)
            return work

        self._each([one(i) for i in slots])
        seen = dict(self._seen)
        return Step(extras={name: seen.pop(name) for name in EXTRAS}, **seen)

    def _each(self, work: list[Callable[[], Any]]) -> None:
        """Do all of it at once. Raises what the first that failed has raised, when all are through."""
        if not work:
            return
        made = [self._threads.submit(one) for one in work[1:]]
        try:
            work[0]()  # here, without the way to another thread and back
        finally:
            failed = [error for one in made if (error := one.exception()) is not None]
        if failed:
            raise failed[0]

    def _look(self, i: int) -> None:
        """Write down what the outside sees of a slot's battle. In lists: numpy is slow with so few numbers."""
        game, env, seen = self._games[i], self._games[i].env, self._seen
        units = [*env.agents.values(), *env.enemies.values()]
        seen["observation"][i], seen["available"][i] = env.get_obs(), env.get_avail_actions()
        np.maximum(0, np.minimum(1, env.get_state() + self.state_shift), out=seen["state"][i])
        seen["reward"][i], seen["done"][i], seen["won"][i] = game.reward, game.over, game.won
        seen["position"][i] = [(place.x, place.y) for place in [unit.pos for unit in units]]
        seen["present"][i] = there = [unit.health > 0 for unit in units]
        seen["active"][i] = there[:self.spec.n_agents]
        seen["health"][i] = [alive and (unit.health + unit.shield) / (unit.health_max + unit.shield_max)
                             for unit, alive in zip(units, there, strict=True)]
        seen["outsider_actions"][i] = game.outsiders


def state_shift(env: Any) -> np.ndarray:
    """(state feature,) what brings SMAC's state, the features of which are called by a StarCraft2Env, to [0, 1]."""
    names = [*env.ally_state_attr_names * env.n_agents, *env.enemy_state_attr_names * env.n_enemies]
    shift = np.zeros(env.get_state_size(), np.float32)
    shift[:len(names)] = 0.5 * np.isin(names, PLACES)
    return shift


def require_smac() -> None:
    """Raise BenchError unless oxwhirl/smac and what it plays through can be imported."""
    try:
        import smac.env  # noqa: F401
    except ImportError as error:
        missing = str(error.name or error)
        if missing == "smac.env" and find_spec("smac") is not None:
            what = "the installed smac is another package, an optimiser; oxwhirl/smac is on no index"
        else:
            what = f"{missing.partition('.')[0]} is not installed"
        raise BenchError(f"env=smac cannot be played here: {what}; {DOCTOR}") from None
