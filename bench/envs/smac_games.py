"""Games of StarCraft II: each a process that plays one battle after the other, through oxwhirl/smac as it stands.

Where a game is, is said by a :class:`Line`: the battle's name and all that was done in it so far. A game can be brought
to any line (:meth:`Game.follow`), since the game is deterministic: it begins the battle anew and plays it again, unless
it is there already, or has its bookmark there. So lines are what snapshots are made of, and a game that was lost is
replaced by another one, which is brought to where it was.
"""

from __future__ import annotations

import atexit
import copy
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from pysc2.lib import protocol, remote_controller, sc_process
from s2clientprotocol import common_pb2, debug_pb2, raw_pb2
from s2clientprotocol import sc2api_pb2 as api
from smac.env import StarCraft2Env
from smac.env.starcraft2 import starcraft2
from websocket import WebSocketException

from bench.contracts import COMPASS, NOBODY
from bench.envs import smac_process  # noqa: F401  # whose processes pysc2 starts from now on
from bench.envs.smac_names import DOCTOR, ORDERS, build
from bench.errors import BenchError

TRIES = 3  # of a request for orders
APPEAR = 50  # loops in which a map's units have to be there
STILL = 0.25  # cells in a step: whoever has moved less has stood. A marine walks 1.1
ORDER, ATTACK, STOP = 16, 23, 4  # abilities: move, attack and stop
# What smac remembers of a battle, besides the game.
MEMORY = ("agents", "enemies", "previous_ally_units", "previous_enemy_units", "last_action", "death_tracker_ally",
          "death_tracker_enemy", "_obs", "_episode_steps", "_total_steps", "_episode_count", "win_counted",
          "battles_won", "battles_game", "reward", "defeat_counted", "timeouts", "force_restarts")


class Lost(Exception):
    """A game has crashed, does not answer or does not do what it is asked to."""


FAILURES = (Lost, protocol.ProtocolError, protocol.ConnectionError, remote_controller.ConnectError,
            remote_controller.RequestError, sc_process.SC2LaunchError, WebSocketException, OSError)


@dataclass(frozen=True)
class Line:
    """A battle by its name, and what was done in it: of every step a byte for each agent's action and each outsider's
    order."""

    seed: int
    number: int
    done: bytes = b""

    def begins(self, other: Line) -> bool:
        """Whether the other one goes on from here."""
        return (self.seed, self.number) == (other.seed, other.number) and other.done.startswith(self.done)


class Game:
    """A game of a map, and what smac knows of it. All that can go wrong in its process is one of ``FAILURES``."""

    def __init__(self, map: str, difficulty: str) -> None:
        self.env = env = StarCraft2Env(map_name=map, difficulty=difficulty)
        self.width = env.n_agents + env.n_enemies
        # smac would go on with another battle, wait for its units for ever, and count them twice; see also _begin.
        env.full_restart, env._launch, env._restart, env.init_units = _lose, self._launch, self._create, self._wait
        env.get_avail_agent_actions = self._available
        self._asked, self._known = None, dict[int, list[int]]()  # of an observation, see _available
        self.line: Line | None = None  # where it is
        self.exact = False  # whether going back to the bookmark is known to be the same as playing again
        self._bookmark: tuple[Line, dict[str, Any]] | None = None
        self.reward, self.over, self.won = 0.0, False, False
        self.outsiders = [NOBODY] * env.n_enemies  # what they did in the last step
        self._controls, self._ordered = False, self.outsiders  # their last orders
        self._target: list[float] = []  # where the map sends the outsiders
        atexit.register(self.kill)  # before smac's own, which asks it to end, and waits

    def follow(self, line: Line) -> None:
        """Be where this line leads."""
        if self.line == line:
            return
        if self._bookmark is not None and self._bookmark[0] == line:
            self._load(self._bookmark[1])
            self.line = line
            return
        if self.line is None or not self.line.begins(line):
            self._begin(Line(line.seed, line.number))
        assert self.line is not None
        for row in np.frombuffer(line.done[len(self.line.done):], np.int8).reshape(-1, self.width):
            self.step(row)

    def step(self, row: np.ndarray) -> None:
        """Play a step: (agent and outsider,) actions, then orders."""
        assert self.line is not None
        line, self.line = self.line, None  # nowhere, if this fails
        agents, done = self.env.n_agents, row.tolist()
        self._command(done[agents:])
        connection = self.env._controller._client
        connection.hurried = True  # smac looks at no answer but the last
        self.reward, self.over, info = self.env.step(done[:agents])
        connection.hurried = False
        self.won = bool(info["battle_won"])
        self.outsiders = self._did(done[agents:])
        self.line = Line(line.seed, line.number, line.done + row.tobytes())

    def save(self) -> None:
        """Put the bookmark, if it is of use, where the battle is."""
        if self.exact and self.line is not None and (self._bookmark is None or self._bookmark[0] != self.line):
            self.env._controller._client.send(quick_save=api.RequestQuickSave())
            self._bookmark = self.line, self._remember()

    def kill(self) -> None:
        """End its process. It starts another one with the next battle."""
        process, self.env._sc2_proc, self.env._controller = self.env._sc2_proc, None, None
        self.line = self._bookmark = None
        if process is not None:
            process.kill()

    def _begin(self, line: Line) -> None:
        env = self.env
        self.line = self._bookmark = None
        self._controls, self._ordered = False, [NOBODY] * env.n_enemies
        self.reward, self.over, self.won, self.outsiders = 0.0, False, False, self._ordered
        env._seed = int(np.random.SeedSequence([line.seed, line.number]).generate_state(1)[0])
        env._episode_count = 0 if env._sc2_proc is None else max(env._episode_count, 1)  # what smac launches by
        env.reset()
        env.max_reward = env.n_enemies * env.reward_death_value + env.reward_win + sum(
            unit.health_max + unit.shield_max for unit in env.enemies.values())
        places = [(unit.pos.x, unit.pos.y) for unit in env.agents.values()]
        self._target = [round(float(place)) for place in np.mean(places, 0)]
        self.line = line

    def _launch(self) -> None:
        """What smac does to start a process and its first game."""
        StarCraft2Env._launch(self.env)
        found = self.env._controller.ping().base_build
        if found != build():
            raise BenchError(f"StarCraft II says that it is build {found}, and is installed as {build()}; {DOCTOR}")

    def _create(self) -> None:
        """A game of its own for the next battle, in the process that is there, with the requests of smac's first."""
        self._wanted.random_seed = self.env._seed
        self.env._controller.create_game(self._wanted)
        self.env._controller.join_game(api.RequestJoinGame(race=starcraft2.races[self.env._agent_race],
                                                           options=api.InterfaceOptions(raw=True, score=False)))

    @cached_property
    def _wanted(self) -> api.RequestCreateGame:
        """The game that smac asks for, but for its random seed."""
        env, where = self.env, starcraft2.maps.get(self.env.map_name)
        request = api.RequestCreateGame(realtime=False, local_map=api.LocalMap(
            map_path=where.path, map_data=env._run_config.map_data(where.path)))
        request.player_setup.add(type=api.Participant)
        request.player_setup.add(type=api.Computer, race=starcraft2.races[env._bot_race],
                                 difficulty=starcraft2.difficulties[env.difficulty])
        return request

    def _wait(self) -> None:
        """What smac does when a battle begins, as soon as all units are there."""
        env = self.env
        for _ in range(APPEAR):
            there = Counter(unit.owner for unit in env._obs.observation.raw_data.units)
            if (there[1], there[2]) == (env.n_agents, env.n_enemies):
                StarCraft2Env.init_units(env)
                return
            env._controller.step(1)
            env._obs = env._controller.observe()
        raise Lost(f"the map's units are not there after {APPEAR} loops")

    def _available(self, agent: int) -> list[int]:
        """What smac says of it, asked once an observation: in a step it would work it out three times."""
        if self._asked is not self.env._obs:
            self._asked, self._known = self.env._obs, {}
        if agent not in self._known:
            self._known[agent] = StarCraft2Env.get_avail_agent_actions(self.env, agent)
        return self._known[agent]

    def _command(self, orders: list[int]) -> None:
        """Order the outsiders, and send those whose last order is through back to where the map sent them."""
        actions = [self._action(unit, order) for unit, order, last in zip(
            self.env.enemies.values(), orders, self._ordered, strict=True) if max(order, last) >= 0 and unit.health > 0]
        self._ordered = orders
        if actions and not self._controls:
            self._control()
        for _ in range(TRIES * bool(actions)):
            results = self.env._controller.actions(api.RequestAction(actions=actions)).result
            actions = [action for action, result in zip(actions, results, strict=True) if result != 1]
            if not actions:
                return
            self._control()  # it may have been lost, or taken twice, which ends it
        if actions:
            raise Lost("the game refuses orders for its outsiders")

    def _action(self, unit: Any, order: int) -> api.Action:
        command = raw_pb2.ActionRawUnitCommand(unit_tags=[unit.tag], queue_command=False)
        if order >= 0 and ORDERS[order] == "stop":
            command.ability_id = STOP
        else:
            step = self.env._move_amount
            x, y = self._target if order < 0 else (
                place + step * way for place, way in zip((unit.pos.x, unit.pos.y), COMPASS[ORDERS[order]], strict=True))
            command.ability_id = ATTACK if order < 0 else ORDER
            command.target_world_space_pos.CopyFrom(common_pb2.Point2D(x=x, y=y))
        return api.Action(action_raw=raw_pb2.ActionRaw(unit_command=command))

    def _control(self) -> None:
        self.env._controller.debug(debug_pb2.DebugCommand(game_state=debug_pb2.control_enemy))
        self._controls = True

    def _did(self, orders: list[int]) -> list[int]:
        """What each outsider did in the last step: its order, or what it seems to have followed by where it is; NOBODY
        of one that has stood or is dead."""
        env, did = self.env, list(orders)
        for k, unit in env.enemies.items():
            if did[k] < 0 and unit.health > 0:
                before = env.previous_enemy_units[k].pos
                x, y = unit.pos.x - before.x, unit.pos.y - before.y
                if max(abs(x), abs(y)) > STILL:
                    name = ("east" if x > 0 else "west") if abs(x) > abs(y) else "north" if y > 0 else "south"
                    did[k] = ORDERS.index(name)
        return did

    def _remember(self) -> dict[str, Any]:
        own = self.reward, self.over, self.won, self.outsiders, self._controls, self._ordered
        return {"own": own, "last": self.env._controller._last_obs,
                "smac": copy.deepcopy({name: getattr(self.env, name) for name in MEMORY})}

    def _load(self, memory: dict[str, Any]) -> None:
        self.line = None
        self.env._controller._client.send(quick_load=api.RequestQuickLoad())
        for name, value in copy.deepcopy(memory["smac"]).items():  # smac changes the units in place
            setattr(self.env, name, value)
        self.env._controller._last_obs = memory["last"]
        self.reward, self.over, self.won, self.outsiders, self._controls, self._ordered = memory["own"]


def _lose() -> None:
    """What smac does where a request fails; it is handling pysc2's exception, which says why."""
    raise Lost(str(sys.exc_info()[1]))
