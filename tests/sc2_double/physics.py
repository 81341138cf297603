"""One game loop: who attacks whom, who walks where, who is hit."""

from __future__ import annotations

from math import hypot
from typing import TYPE_CHECKING

from sc2_double.maps import COMPUTER, pathable
from sc2_double.units import ATTACK, LOOPS_A_SECOND, MOVE, Unit

if TYPE_CHECKING:
    from sc2_double.game import Game

SCAN = 5.5  # the least distance, from edge to edge, at which a unit finds something to attack by itself
JITTER = (-1.0, 2.0)  # loops by which the time between two shots differs
SHIELD_DELAY, SHIELD_RATE = 10 * LOOPS_A_SECOND, 2 / LOOPS_A_SECOND


def advance(game: Game) -> None:
    """Move the game by a loop. Hits land after all have acted, so that the last of both sides may fall together."""
    hits: list[tuple[Unit, float]] = []
    for unit in game.units.values():
        unit.cooldown = max(0.0, unit.cooldown - 1)
        act(game, unit, hits)
    for unit, taken in hits:
        unit.hurt(taken)
    for unit in game.units.values():
        if unit.kind.shield:
            regenerate(unit)


def act(game: Game, unit: Unit, hits: list) -> None:
    """Shoot, or walk one loop's way towards a target or a point."""
    target, order = target_of(game, unit), unit.order
    if target is None:
        if order is not None and order[2] is not None and not walk(unit, *order[2]):
            unit.obey(*unit.orders[1:])
        return
    follows = order is not None and order[0] == MOVE
    if follows or gap(unit, target) > unit.kind.reach:
        walk(unit, target.x, target.y)
    elif unit.cooldown <= 0:
        unit.cooldown = unit.kind.period + game.random.uniform(*JITTER)
        if unit.owner != COMPUTER or game.random.random() < game.accuracy:
            hits.append((target, damage(unit, target)))


def target_of(game: Game, unit: Unit) -> Unit | None:
    """The unit that its order names, or that it has found by itself; an order whose target is gone ends."""
    order = unit.order
    if order is not None and order[1] is not None:
        target = game.units.get(order[1])
        if target is None:
            unit.obey(*unit.orders[1:])
        return target
    looks = unit.owner == COMPUTER if order is None else order[0] == ATTACK  # the player's types are passive
    return find(game, unit) if looks else None


def find(game: Game, unit: Unit) -> Unit | None:
    """The unit that it goes on attacking, or a new one: the nearest, or the weakest where the opponent is good."""
    far = max(unit.kind.reach, SCAN)
    prey = game.units.get(unit.prey)
    if prey is not None and gap(unit, prey) <= far:
        return prey
    near = [(distance, other) for other in game.units.values()
            if other.owner != unit.owner and (distance := gap(unit, other)) <= far]
    if not near:
        unit.prey = 0
        return None
    if unit.owner == COMPUTER and game.random.random() < game.focus:
        prey = min(near, key=lambda pair: (pair[1].health + pair[1].shield, pair[0]))[1]
    else:
        prey = min(near, key=lambda pair: pair[0])[1]
    unit.prey = prey.tag
    return prey


def gap(unit: Unit, other: Unit) -> float:
    """The distance from edge to edge."""
    return hypot(unit.x - other.x, unit.y - other.y) - unit.kind.radius - other.kind.radius


def walk(unit: Unit, x: float, y: float) -> bool:
    """A loop's way towards a point, or along an edge that is in the way; whether there is any way left to go."""
    left, speed = hypot(x - unit.x, y - unit.y), unit.kind.speed
    share = min(1.0, speed / left) if left else 1.0
    dx, dy = (x - unit.x) * share, (y - unit.y) * share
    before = unit.x, unit.y
    if pathable(unit.x + dx, unit.y + dy):
        unit.x, unit.y = unit.x + dx, unit.y + dy
    elif pathable(unit.x + dx, unit.y):
        unit.x += dx
    elif pathable(unit.x, unit.y + dy):
        unit.y += dy
    return share < 1.0 and hypot(unit.x - before[0], unit.y - before[1]) > speed / 100


def damage(unit: Unit, target: Unit) -> float:
    """What a shot takes off: armor counts for each blow, though not while a shield takes it."""
    blow = unit.kind.damage + (unit.kind.bonus if target.kind.armored else 0)
    armor = 0 if target.shield > 0 else target.kind.armor
    return unit.kind.blows * max(0.5, blow - armor)


def regenerate(unit: Unit) -> None:
    unit.rest += 1
    if unit.rest > SHIELD_DELAY:
        unit.shield = min(float(unit.kind.shield), unit.shield + SHIELD_RATE)
