"""What the double's battles are like, without a process of its own."""

import pytest

pytest.importorskip("s2clientprotocol", reason="pip install pys2clientprotocol==1.0.2")

from sc2_double.game import Game
from sc2_double.maps import COMPUTER, MAPS, PLAYER, POINTS, pathable
from sc2_double.units import ATTACK, ZEALOT


def fought(level: int, seed: int, name: str = "3m") -> Game:
    """The player's units wait for the others and attack what comes near, until one side is gone."""
    game = Game(MAPS[name], seed, level)
    while game.generation == 1 and len({unit.owner for unit in game.units.values()}) == 2:
        for unit in game.units.values():
            if unit.owner == PLAYER and unit.order is None:
                unit.obey((ATTACK, None, (POINTS[PLAYER][0] + 0.5, unit.y)))
        game.advance(8)
        assert game.loop < 4000
    return game


def test_a_better_opponent_wins_more():
    def left(level, seed):
        return any(unit.owner == COMPUTER for unit in fought(level, seed).units.values())

    lost = {level: sum(left(level, seed) for seed in range(100)) for level in (1, 5, 9)}
    assert lost[1] < lost[5] < lost[9]
    assert lost[1] < 5
    assert 15 < lost[9] < 40


def test_nobody_leaves_the_plateau():
    for seed in range(5):
        assert all(pathable(unit.x, unit.y) for unit in fought(7, seed, "8m").units.values())


def test_shields_take_hits_first_and_come_back():
    game = Game(MAPS["2s3z"], 1, 7)
    game.units = {tag: unit for tag, unit in game.units.items() if unit.owner == PLAYER}
    unit = next(unit for unit in game.units.values() if unit.kind is ZEALOT)
    unit.hurt(60)
    assert (unit.health, unit.shield) == (90, 0)
    game.advance(160)
    assert unit.shield == 0, "not at once"
    game.advance(160)
    assert (unit.health, unit.shield) == (90, pytest.approx(20))


def test_armor_counts_for_each_blow():
    from sc2_double.physics import damage

    stalker, zealot = (next(unit for unit in Game(MAPS["2s3z"], 1, 7).units.values() if unit.kind.name == name)
                       for name in ("Stalker", "Zealot"))
    assert (damage(zealot, stalker), damage(stalker, stalker), damage(stalker, zealot)) == (16, 18, 13)
    stalker.shield = zealot.shield = 0
    assert (damage(zealot, stalker), damage(stalker, stalker), damage(stalker, zealot)) == (14, 17, 12)


def test_the_last_of_both_sides_may_fall_together():
    """And the map goes on at once, within the step: whoever looks after it sees the next battle."""
    game = Game(MAPS["3m"], 1, 7)
    game.accuracy = 1.0
    mine, other = (next(unit for unit in game.units.values() if unit.owner == owner) for owner in (PLAYER, COMPUTER))
    game.units = {unit.tag: unit for unit in (mine, other)}
    mine.x, mine.health, other.x, other.health = 15.0, 1.0, 18.0, 1.0
    mine.obey((ATTACK, other.tag, None))
    game.advance(8)
    assert len(game.units) == 6
    assert set(game.fallen) == {mine.tag, other.tag}
