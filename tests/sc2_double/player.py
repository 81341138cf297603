"""What the tests of the double ask of a game, through pysc2 as it stands."""

import os
from pathlib import Path

from sc2_double.maps import COMPUTER, PLAYER
from sc2_double.units import ATTACK


def start():
    """A game process, started by pysc2 as it stands."""
    from absl import flags
    from pysc2 import run_configs

    flags.FLAGS(["tests"])  # pysc2 reads its flags, and refuses to before they are parsed
    return run_configs.get().start(want_rgb=False)


def create(controller, name="3m", seed=1, level=7, join=True) -> None:
    """Create and join a game, with the requests that smac sends."""
    from s2clientprotocol import sc2api_pb2 as api

    path = f"SMAC_Maps/{name}.SC2Map"
    place = api.LocalMap(map_path=path, map_data=Path(os.environ["SC2PATH"], "Maps", path).read_bytes())
    request = api.RequestCreateGame(local_map=place, realtime=False, random_seed=seed)
    request.player_setup.add(type=api.Participant)
    request.player_setup.add(type=api.Computer, difficulty=level)
    controller.create_game(request)
    if join:
        controller.join_game(api.RequestJoinGame(options=api.InterfaceOptions(raw=True, score=False)))


def units(controller, owner=None) -> list:
    seen = controller.observe().observation.raw_data.units
    return [unit for unit in seen if owner in (None, unit.owner)]


def order(controller, tags, ability, target=None, queue=False) -> list[int]:
    """Order units to do something, at a point (x, y), a unit's tag or nowhere; the results that the game gives."""
    from s2clientprotocol import raw_pb2
    from s2clientprotocol import sc2api_pb2 as api

    command = raw_pb2.ActionRawUnitCommand(ability_id=ability, unit_tags=tags, queue_command=queue)
    if isinstance(target, tuple):
        command.target_world_space_pos.x, command.target_world_space_pos.y = target
    elif target is not None:
        command.target_unit_tag = target
    action = api.Action(action_raw=raw_pb2.ActionRaw(unit_command=command))
    return list(controller.actions(api.RequestAction(actions=[action])).result)


def control_enemy(controller) -> None:
    from s2clientprotocol import debug_pb2

    controller.debug(debug_pb2.DebugCommand(game_state=debug_pb2.control_enemy))


def play(controller, steps: int) -> list[tuple]:
    """Let the player's units attack the first of the others; of each step, who stands where with what left."""
    played = []
    for _ in range(steps):
        now = units(controller)
        ours = [unit.tag for unit in now if unit.owner == PLAYER]
        others = [unit.tag for unit in now if unit.owner == COMPUTER]
        if ours and others:
            order(controller, ours, ATTACK, others[0])
        controller.step(8)
        played.append(tuple((unit.tag, unit.pos.x, unit.pos.y, unit.health, unit.shield) for unit in units(controller)))
    return played
