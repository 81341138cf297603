"""A game: a map with its units, their orders, and the random numbers that the seed of create_game begins."""

from __future__ import annotations

import copy
from math import cos, pi, sin
from random import Random

from s2clientprotocol.error_pb2 import ActionResult
from s2clientprotocol.raw_pb2 import ActionRawUnitCommand

from sc2_double.maps import COMPUTER, PLAYER, POINTS, Map
from sc2_double.physics import advance
from sc2_double.units import ABILITIES, ATTACK, FIRST_NEW_TYPE, STOP, Order, Unit

SPREAD = 0.4  # cells by which a unit's place differs from battle to battle


def order_of(ability: int, command: ActionRawUnitCommand) -> Order:
    if command.HasField("target_unit_tag"):
        return ability, command.target_unit_tag, None
    return ability, None, (command.target_world_space_pos.x, command.target_world_space_pos.y)


class Game:
    """`level` is the computer's difficulty, 1 to 10: how often it hits, and how often it picks the weakest."""

    def __init__(self, where: Map, seed: int, level: int, late: bool = False) -> None:
        self.map, self.random = where, Random(seed)
        self.accuracy, self.focus = 0.72 + 0.028 * level, 0.05 * level
        self.late = late  # the last unit of each side comes a loop after the others
        self.loop = 0
        self.control_enemy = False
        self.units: dict[int, Unit] = {}
        self.coming: list[Unit] = []
        self.doomed: set[int] = set()  # tags that a debug command kills in the next loop
        self.fallen: list[int] = []  # tags, since the last observation
        self.generation = 0
        self.spawn()

    def spawn(self) -> None:
        """What the map's triggers do at its start, and whenever no unit of either side is left.

        The computer's units are then sent to attack-move to the player's point, by one order that is never given again.
        """
        self.generation += 1
        for owner, groups in ((PLAYER, self.map.player), (COMPUTER, self.map.computer)):
            kinds = [kind for number, kind in groups for _ in range(number)]
            x, y = POINTS[owner]
            for i, kind in enumerate(kinds):
                angle, radius = 2 * pi * i / len(kinds), 0.16 * len(kinds)
                own = FIRST_NEW_TYPE + self.map.kinds().index(kind) if owner == PLAYER else kind.number
                unit = Unit(self.tag(len(self.units) + len(self.coming)), owner, kind, own,
                            x + radius * cos(angle) + self.random.uniform(-SPREAD, SPREAD),
                            y + radius * sin(angle) + self.random.uniform(-SPREAD, SPREAD))
                if owner == COMPUTER:
                    unit.obey((ATTACK, None, POINTS[PLAYER]))
                if self.late and i == len(kinds) - 1:
                    self.coming.append(unit)
                else:
                    self.units[unit.tag] = unit

    def tag(self, place: int) -> int:
        """As the game numbers units: a place in its table, and how often that place has been used."""
        return 0x100000000 + (place << 18) + self.generation

    def advance(self, loops: int) -> None:
        for _ in range(loops):
            self.loop += 1
            for unit in self.coming:
                self.units[unit.tag] = unit
            self.coming = []
            advance(self)
            gone = [tag for tag, unit in self.units.items() if unit.health <= 0 or tag in self.doomed]
            for tag in gone:
                del self.units[tag]
            self.fallen += gone
            self.doomed.clear()
            if not self.units:
                self.spawn()

    def order(self, command: ActionRawUnitCommand) -> int:
        """Give an ActionRawUnitCommand to its units; the answer is an ActionResult, of the last that was refused."""
        ability = ABILITIES.get(command.ability_id)
        if ability is None:
            return ActionResult.NotSupported
        result = ActionResult.Success
        for tag in command.unit_tags:
            unit = self.units.get(tag)
            if unit is None:
                result = ActionResult.Error
            elif unit.owner != PLAYER and not self.control_enemy:
                result = ActionResult.YouCantControlThatUnit
            elif ability == STOP:
                unit.obey()
            elif command.HasField("target_unit_tag") and command.target_unit_tag not in self.units:
                result = ActionResult.CantTargetThatUnit
            elif command.HasField("target_unit_tag") or command.HasField("target_world_space_pos"):
                unit.obey(*(unit.orders if command.queue_command else ()), order_of(ability, command))
            else:
                result = ActionResult.Error
        return result

    def kill(self, tags) -> None:
        """A debug command: it takes effect in the next loop, and nothing is said of tags that are not there."""
        self.doomed.update(tags)

    def bookmark(self) -> Game:
        """A copy to go back to. The loop is 0 in it, as it is after the game's own quick load."""
        saved = copy.copy(self)
        saved.loop = 0
        saved.random = Random()
        saved.random.setstate(self.random.getstate())
        saved.units = {tag: copy.copy(unit) for tag, unit in self.units.items()}
        saved.coming = [copy.copy(unit) for unit in self.coming]
        saved.doomed, saved.fallen = set(self.doomed), list(self.fallen)
        return saved
