"""The maps that the double knows: a plateau, two points and who stands there, as in SMAC's files of the same names."""

from __future__ import annotations

from dataclasses import dataclass

from sc2_double.units import MARINE, STALKER, ZEALOT, Kind

VERSION, BUILD = "double-1", 99999  # the build is above all real ones
SIZE = 32  # cells, both ways
PATHABLE = (8, 24)  # rows that can be walked on, the second excluded; columns all can
PLAYER, COMPUTER = 1, 2
POINTS = {PLAYER: (9.0, 16.0), COMPUTER: (23.0, 16.0)}


@dataclass(frozen=True)
class Map:
    name: str
    player: tuple[tuple[int, Kind], ...]  # number and kind, in the order in which the map makes them
    computer: tuple[tuple[int, Kind], ...]

    def kinds(self) -> list[Kind]:
        """The kinds of the player's units, for which the map has types of its own that attack only on an order."""
        return [kind for _, kind in self.player]

    def content(self) -> bytes:
        """What stands in its file. It says what it is, so that its hash cannot be taken for that of the game's map."""
        return f"{VERSION}: a stand-in of the map {self.name}, without anything to play\n".encode()


MAPS = {each.name: each for each in [
    Map("3m", ((3, MARINE),), ((3, MARINE),)),
    Map("8m", ((8, MARINE),), ((8, MARINE),)),
    Map("5m_vs_6m", ((5, MARINE),), ((6, MARINE),)),
    Map("2s3z", ((2, STALKER), (3, ZEALOT)), ((2, STALKER), (3, ZEALOT)))]}


def pathable(x: float, y: float) -> bool:
    return 0 <= x < SIZE and PATHABLE[0] <= y < PATHABLE[1]
