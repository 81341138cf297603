"""A double of StarCraft II for tests: a program that pysc2 starts as if it were the game.

It speaks the game's protocol (protobuf over a websocket) well enough for unmodified pysc2 4.0.0 and oxwhirl/smac to
play whole battles on four of SMAC's maps. What it plays is simple physics of its own, not StarCraft II: nothing that is
measured on it is a result, and `VERSION`, which stands in its answer to a ping and in its maps, says so to whoever
records one.

`install(folder)` makes a folder that serves as SC2PATH; `misbehaviour` is how it is told to fail.
"""

from sc2_double.install import install
from sc2_double.maps import MAPS, VERSION
from sc2_double.misbehaviour import Misbehaviour

__all__ = ["MAPS", "VERSION", "Misbehaviour", "install"]
