"""What env=smac asks of oxwhirl/smac and pysc2, played by the double's rules in this process: for where these are not
installed. The requests and their order are smac's; of its maps there is 3m alone."""

from __future__ import annotations

import copy
import os
import sys
from operator import attrgetter
from pathlib import Path
from types import ModuleType, SimpleNamespace

import absl.logging  # noqa: F401  # before absl.flags is patched: it keeps the flags that it finds
import numpy as np

MODULES = ("smac_pool", "smac_games", "smac_process")  # of bench.envs: imported anew, over the stand-ins
FLAGS = ("obs_pathing_grid", "obs_terrain_height", "obs_last_action", "obs_timestep_number")  # off, as usual
FAILED = ("ProtocolError", "ConnectionError", "ConnectError", "RequestError", "SC2LaunchError")


def module(name: str, **content) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(content)
    return made


def stand_in(patch) -> None:
    """Put the stand-ins where smac and pysc2 would be."""
    errors = {name: type(name, (Exception,), {}) for name in FAILED}
    lib = module("pysc2.lib", protocol=SimpleNamespace(**errors), remote_controller=SimpleNamespace(**errors),
                 sc_process=SimpleNamespace(**errors))
    starcraft2 = module("smac.env.starcraft2.starcraft2", races={"T": 1}, difficulties={"7": 7},
                        maps=SimpleNamespace(get=lambda name: SimpleNamespace(path=f"SMAC_Maps/{name}.SC2Map")))
    for made in (module("pysc2"), lib, module("smac", __path__=[]),
                 module("smac.env", StarCraft2Env=made_env(lib.protocol), __path__=[]),
                 module("smac.env.starcraft2", starcraft2=starcraft2), starcraft2,
                 module("websocket", WebSocketException=errors["ProtocolError"]),
                 module("bench.envs.smac_process")):
        patch.setitem(sys.modules, made.__name__, made)
    patch.setattr("absl.flags.FLAGS", {"sc2_timeout": SimpleNamespace(value=360)})


def made_env(protocol):
    """The class StarCraft2Env."""
    from s2clientprotocol import common_pb2, raw_pb2
    from s2clientprotocol import sc2api_pb2 as api
    from sc2_double.session import Dropped, Session

    class Controller:
        def __init__(self):
            self._client, self._session, self._last_obs = self, Session(), None

        def send(self, **request):
            (name,) = request
            try:
                response = self._session.answer(api.Request(**request))
            except Dropped:
                raise protocol.ConnectionError("closed") from None
            if response.error:
                raise protocol.ProtocolError(response.error[0])
            return getattr(response, name)

        def observe(self):
            self._last_obs = self.send(observation=api.RequestObservation())
            return self._last_obs

        def step(self, count):
            self.send(step=api.RequestStep(count=count))

        def actions(self, request):
            return self.send(action=request)

        def debug(self, command):
            self.send(debug=api.RequestDebug(debug=[command]))

        def ping(self):
            return self.send(ping=api.RequestPing())

        def create_game(self, request):
            self.send(create_game=request)

        def join_game(self, request):
            self.send(join_game=request)

    class StarCraft2Env:
        n_agents = n_enemies = 3
        n_actions, n_actions_no_attack, episode_limit, _move_amount = 9, 6, 60, 2
        unit_type_bits = shield_bits_ally = shield_bits_enemy = 0
        n_obs_pathing, n_obs_height, obs_all_health, obs_own_health = 8, 9, True, True
        reward_death_value, reward_win, _agent_race, _bot_race = 10, 200, "T", "T"
        ally_state_attr_names, enemy_state_attr_names = ["health", "cooldown", "rel_x", "rel_y"], ["health", "rel_x",
                                                                                                  "rel_y"]
        vars().update(dict.fromkeys(FLAGS, False))

        def __init__(self, map_name, difficulty):
            self.map_name, self.difficulty, self._seed = map_name, difficulty, None
            self._sc2_proc = self._controller = self._obs = None
            self._episode_count = self._total_steps = self._episode_steps = 0
            for name in ("battles_won", "battles_game", "timeouts", "force_restarts", "reward"):
                setattr(self, name, 0)
            self.max_reward = 230
            self.agents, self.enemies = {}, {}
            self._run_config = SimpleNamespace(
                map_data=lambda path: Path(os.environ["SC2PATH"], "Maps", path).read_bytes())

        def _launch(self):
            self._sc2_proc, self._controller = SimpleNamespace(kill=lambda: None), Controller()
            request = api.RequestCreateGame(random_seed=self._seed)
            request.local_map.map_path = f"SMAC_Maps/{self.map_name}.SC2Map"
            request.player_setup.add(type=api.Participant)
            request.player_setup.add(type=api.Computer, difficulty=7)
            self._controller.create_game(request)
            self._controller.join_game(api.RequestJoinGame(options=api.InterfaceOptions(raw=True, score=False)))

        def reset(self):
            self._episode_steps = 0
            if self._episode_count == 0:
                self._launch()
            else:
                self._restart()
            self.death_tracker_ally, self.death_tracker_enemy = np.zeros(3), np.zeros(3)
            self.previous_ally_units = self.previous_enemy_units = None
            self.win_counted = self.defeat_counted = False
            self.last_action = np.zeros((3, 9))
            try:
                self._obs = self._controller.observe()
                self.init_units()
            except (protocol.ProtocolError, protocol.ConnectionError):
                self.full_restart()

        def init_units(self):
            units = self._obs.observation.raw_data.units
            ours = sorted((unit for unit in units if unit.owner == 1), key=attrgetter("unit_type", "pos.x", "pos.y"))
            self.agents = dict(enumerate(ours))
            self.enemies = dict(enumerate(unit for unit in units if unit.owner == 2))

        def step(self, actions):
            self.last_action = np.eye(9)[actions]
            wanted = [self.command(k, action) for k, action in zip(self.agents, actions, strict=True)]
            try:
                self._controller.actions(api.RequestAction(actions=[one for one in wanted if one is not None]))
                self._controller.step(8)
                self._obs = self._controller.observe()
            except (protocol.ProtocolError, protocol.ConnectionError):
                self.full_restart()
            self._episode_steps += 1
            self.previous_ally_units, self.previous_enemy_units = copy.deepcopy((self.agents, self.enemies))
            left = {unit.tag: unit for unit in self._obs.observation.raw_data.units}
            for side in (self.agents, self.enemies):
                for k, unit in side.items():
                    if unit.tag in left:
                        side[k] = left[unit.tag]
                    else:
                        unit.health = 0
            ours, others = (any(unit.health for unit in side.values()) for side in (self.agents, self.enemies))
            over, won = not (ours and others) or self._episode_steps >= self.episode_limit, ours and not others
            damage = sum(self.previous_enemy_units[k].health - unit.health + 10 * (
                unit.health == 0 < self.previous_enemy_units[k].health) for k, unit in self.enemies.items())
            return (damage + 200 * won) * 20 / self.max_reward, over, {"battle_won": won}

        def command(self, k, action):
            assert self.get_avail_agent_actions(k)[action], "smac refuses what is not available"
            unit = self.agents[k]
            if action == 0:
                return None
            command = raw_pb2.ActionRawUnitCommand(ability_id=(0, 4, 16, 16, 16, 16)[action] if action < 6 else 23,
                                                   unit_tags=[unit.tag])
            if 1 < action < 6:
                x, y = ((0, 2), (0, -2), (2, 0), (-2, 0))[action - 2]
                command.target_world_space_pos.CopyFrom(common_pb2.Point2D(x=unit.pos.x + x, y=unit.pos.y + y))
            elif action >= 6:
                command.target_unit_tag = self.enemies[action - 6].tag
            return api.Action(action_raw=raw_pb2.ActionRaw(unit_command=command))

        def get_avail_agent_actions(self, k):
            unit = self.agents[k]
            if unit.health == 0:
                return [1] + [0] * 8
            return [0, 1, 1, 1, 1, 1] + [int(other.health > 0 and self.apart(unit, other) <= 6)
                                         for other in self.enemies.values()]

        def apart(self, one, other):
            return float(np.hypot(one.pos.x - other.pos.x, one.pos.y - other.pos.y))

        def get_avail_actions(self):
            return [self.get_avail_agent_actions(k) for k in self.agents]

        def seen(self, unit, other):
            if unit is other:
                return []
            near = unit.health > 0 and other.health > 0 and self.apart(unit, other) < 9
            return [1, self.apart(unit, other) / 9, (other.pos.x - unit.pos.x) / 9, (other.pos.y - unit.pos.y) / 9,
                    other.health / other.health_max] if near else [0] * 5

        def get_obs(self):
            units = [*self.enemies.values(), *self.agents.values()]
            return [np.array([*[unit.health > 0] * 4, *(x for other in units for x in self.seen(unit, other)),
                              unit.health / unit.health_max], np.float32) for unit in self.agents.values()]

        def get_state(self):
            places = [(unit.health / unit.health_max, *[0.0] * (unit.owner == 1), unit.pos.x / 32 - .5,
                       unit.pos.y / 32 - .5) for side in (self.agents, self.enemies) for unit in side.values()]
            return np.array([*sum(places, ()), *self.last_action.ravel()], np.float32)

        def get_obs_size(self):
            return 30

        def get_state_size(self):
            return 48

        def unit_sight_range(self, _):
            return 9

    return StarCraft2Env
