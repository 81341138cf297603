"""What the game says of itself: its map, its catalogue, and the units as the player sees them."""

from __future__ import annotations

from s2clientprotocol import data_pb2, raw_pb2, sc2api_pb2

from sc2_double.game import Game
from sc2_double.maps import BUILD, MAPS, PLAYER, POINTS, SIZE, VERSION, pathable
from sc2_double.units import ATTACK, FIRST_NEW_TYPE, LOOPS_A_SECOND, MARINE, MOVE, STALKER, STOP, ZEALOT, Kind


def ping(answer: sc2api_pb2.ResponsePing) -> None:
    answer.game_version = answer.data_version = VERSION
    answer.data_build = answer.base_build = BUILD


def game_info(game: Game, answer: sc2api_pb2.ResponseGameInfo) -> None:
    """The map, with a bit a cell for where one can walk and a byte a cell for the height, rows from the south."""
    answer.map_name, answer.local_map_path = f"{game.map.name} ({VERSION})", f"{game.map.name}.SC2Map"
    for number, kind in ((1, sc2api_pb2.Participant), (2, sc2api_pb2.Computer)):
        answer.player_info.add(player_id=number, type=kind)
    start = answer.start_raw
    start.map_size.x = start.map_size.y = start.playable_area.p1.x = start.playable_area.p1.y = SIZE
    start.playable_area.p0.x = start.playable_area.p0.y = 0
    cells = [[pathable(x, y) for x in range(SIZE)] for y in range(SIZE)]
    walk = bytes(sum(row[x + i] << (7 - i) for i in range(8)) for row in cells for x in range(0, SIZE, 8))
    height = bytes(135 if cell else 127 for row in cells for cell in row)
    for image, bits, data in ((start.pathing_grid, 1, walk), (start.terrain_height, 8, height)):
        image.bits_per_pixel, image.data = bits, data
        image.size.x = image.size.y = SIZE
    start.start_locations.add(x=POINTS[PLAYER][0], y=POINTS[PLAYER][1])


def catalogue(game: Game, answer: sc2api_pb2.ResponseData) -> None:
    """The kinds of units and the three orders that there are."""
    for number, name in ((STOP, "stop"), (MOVE, "move"), (ATTACK, "attack")):
        answer.abilities.add(ability_id=number, link_name=name, available=True)
    for kind in (MARINE, STALKER, ZEALOT):
        describe(answer.units.add(unit_id=kind.number, name=kind.name), kind)
    for i, kind in enumerate(game.map.kinds()):
        describe(answer.units.add(unit_id=FIRST_NEW_TYPE + i, name=f"{kind.name}_RL"), kind)


def describe(entry: data_pb2.UnitTypeData, kind: Kind) -> None:
    entry.available, entry.sight_range, entry.armor = True, kind.sight, kind.armor
    entry.movement_speed = kind.speed * LOOPS_A_SECOND
    entry.weapons.add(type=data_pb2.Weapon.Ground, damage=kind.damage, attacks=kind.blows, range=kind.reach,
                      speed=kind.period / LOOPS_A_SECOND)


def observation(game: Game, answer: sc2api_pb2.ResponseObservation) -> None:
    """All units: the maps lift the fog. Orders and cooldowns are of the player's own alone, whomever it controls."""
    seen = answer.observation
    seen.game_loop = game.loop
    seen.player_common.player_id = PLAYER
    for unit in game.units.values():
        kind, own = unit.kind, unit.owner == PLAYER
        entry = seen.raw_data.units.add(
            tag=unit.tag, unit_type=unit.type, owner=unit.owner, alliance=raw_pb2.Self if own else raw_pb2.Enemy,
            display_type=raw_pb2.Visible, build_progress=1, radius=kind.radius,
            health=unit.health, health_max=kind.health, shield=unit.shield, shield_max=kind.shield)
        entry.pos.x, entry.pos.y, entry.pos.z = unit.x, unit.y, 8
        if not own:
            continue
        entry.weapon_cooldown = unit.cooldown
        for ability, tag, point in unit.orders:
            order = entry.orders.add(ability_id=ability)
            if tag is not None:
                order.target_unit_tag = tag
            elif point is not None:
                order.target_world_space_pos.x, order.target_world_space_pos.y = point
    seen.raw_data.event.dead_units.extend(game.fallen)
    game.fallen = []


def available_maps(answer: sc2api_pb2.ResponseAvailableMaps) -> None:
    answer.local_map_paths.extend(f"SMAC_Maps/{name}.SC2Map" for name in MAPS)
