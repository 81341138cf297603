"""The kinds of units, with the numbers of the game's version 4.10, and a unit of one of them."""

from __future__ import annotations

from dataclasses import dataclass

LOOPS_A_SECOND = 16  # the game's catalogue counts seconds of its "normal" speed
FIRST_NEW_TYPE = 1970  # units that a map adds to the catalogue have numbers above all others

STOP, MOVE, ATTACK = 4, 16, 23  # ability ids
ABILITIES = {STOP: STOP, MOVE: MOVE, ATTACK: ATTACK, 3665: STOP, 3794: MOVE, 3674: ATTACK}  # the last three are general


@dataclass(frozen=True)
class Kind:
    """What all units of a kind have in common. Distances are in cells of the map, times in game loops."""

    name: str
    number: int  # of the unmodified unit
    health: float
    shield: float
    armor: float
    armored: bool
    radius: float
    sight: float
    speed: float  # cells a loop
    reach: float  # of its weapon, from edge to edge
    period: float  # between two shots
    damage: float  # of a blow
    blows: int = 1
    bonus: float = 0.0  # damage more to armored units


MARINE = Kind("Marine", 48, 45, 0, 0, False, 0.375, 9, 2.25 / LOOPS_A_SECOND, 5, 13.8, 6)
STALKER = Kind("Stalker", 74, 80, 80, 1, True, 0.625, 10, 2.9531 / LOOPS_A_SECOND, 6, 29.9, 13, bonus=5)
ZEALOT = Kind("Zealot", 73, 100, 50, 1, False, 0.5, 9, 2.25 / LOOPS_A_SECOND, 0.1, 19.2, 8, blows=2)


Order = tuple[int, int | None, tuple[float, float] | None]  # an ability, the tag of a unit or a point


class Unit:
    """A unit on the map, with its orders: the first is being carried out, the others are queued."""

    __slots__ = ("cooldown", "health", "kind", "orders", "owner", "prey", "rest", "shield", "tag", "type", "x", "y")

    def __init__(self, tag: int, owner: int, kind: Kind, number: int, x: float, y: float) -> None:
        self.tag, self.owner, self.kind, self.type, self.x, self.y = tag, owner, kind, number, x, y
        self.health, self.shield, self.cooldown = float(kind.health), float(kind.shield), 0.0
        self.rest = 0  # loops since it was last hit
        self.prey = 0  # tag of the unit that it has chosen to attack by itself
        self.orders: tuple[Order, ...] = ()

    @property
    def order(self) -> Order | None:
        return self.orders[0] if self.orders else None

    def obey(self, *orders: Order) -> None:
        """Do this from now on; without an order, nothing but what its kind does by itself."""
        self.orders, self.prey = orders, 0

    def hurt(self, damage: float) -> None:
        """Take damage that armor has already been taken off: shields first."""
        absorbed = min(self.shield, damage)
        self.shield -= absorbed
        self.health -= damage - absorbed
        self.rest = 0
