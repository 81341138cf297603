"""What SMAC's battles are called, and which game of StarCraft II is installed: names without pysc2 and the game itself.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.contracts import STAND_IN, Environment, Identity

REVISION = 1  # of this adapter: the part of a version that is ours
MAPS = ("3m", "8m", "25m", "5m_vs_6m", "8m_vs_9m", "10m_vs_11m", "27m_vs_30m", "MMM", "MMM2", "2s3z", "3s5z",
        "3s5z_vs_3s6z", "3s_vs_3z", "3s_vs_4z", "3s_vs_5z", "1c3s5z", "2m_vs_1z", "corridor", "6h_vs_8z", "2s_vs_1sc",
        "so_many_baneling", "bane_vs_bane", "2c_vs_64zg")
DIFFICULTIES = tuple(map(str, range(1, 10)))  # of the built-in opponent; 7, VeryHard, in the literature
MAP_SIZE = (32.0, 32.0)  # of every one of SMAC's maps, in cells
DOCTOR = "python -m bench doctor env=smac says what to do"
ABSENT = "not installed"  # the version where there is no game
ARCHIVE = b"MPQ"  # what a map of the game's begins with
MOVES = ("north", "south", "east", "west")  # in the order of SMAC's actions
ORDERS = ("north", "east", "south", "west", "stop")
EXTRAS = ("health",)  # of Step: what is left of health and shield together


def root() -> Path:
    """Where the game is installed, or would be, as pysc2 looks for it."""
    usual = {"win32": "C:/Program Files (x86)/StarCraft II", "darwin": "/Applications/StarCraft II"}
    return Path(os.environ.get("SC2PATH") or usual.get(sys.platform, "~/StarCraftII")).expanduser()


def build() -> int | None:
    """The build that pysc2 would start, the newest one; None if there is none."""
    folders = (root() / "Versions").glob("Base*")
    return max((int(name) for folder in folders if (name := folder.name.removeprefix("Base")).isdigit()), default=None)


def map_file(map: str) -> Path:
    return root() / "Maps" / "SMAC_Maps" / f"{map}.SC2Map"


def installed_version(map: str) -> str:
    """What battles depend on: the game's build, the map's content and this adapter.

    Units differ from build to build (hydralisks have 80 health in 4.10 and 90 in 5.0.14). A map that is none of the
    game's archives belongs to a stand-in of the game, for tests, and the version says so.
    """
    number, file = build(), map_file(map)
    if number is None or not file.is_file():
        return ABSENT
    content = file.read_bytes()
    mark = "" if content.startswith(ARCHIVE) else f"{STAND_IN}-"
    return f"{mark}{number}-{hashlib.sha256(content).hexdigest()[:8]}+{REVISION}"


@dataclass(frozen=True)
class Installed(Environment):
    """An environment whose version is that of what is installed here."""

    def identity(self, values: Mapping[str, Any]) -> Identity:
        return replace(super().identity(values), version=installed_version(str(values["map"])))


ENVIRONMENT = Installed("smac", "", "bench.envs.smac.SmacBattles", {"map": MAPS, "difficulty": DIFFICULTIES},
                        beside=("games", "seconds"), at_once="games")


def described(env: Any) -> dict[str, Any]:
    """What actions, orders and features are called, as :class:`bench.contracts.EnvSpec` has it, of a StarCraft2Env.

    On maps with medivacs, "attack K" of a medivac heals the K-th agent. What outsiders did last is not to be seen in
    SMAC's observations: ``order_seen_by`` is empty.
    """
    actions = ("no-op", "stop", *MOVES, *(f"attack {k}" for k in range(env.n_enemies)))
    types = [f"type_{k}" for k in range(env.unit_type_bits)]
    layout = [f"own.can_{move}" for move in MOVES]
    layout += [f"own.path_{k}" for k in range(env.n_obs_pathing * env.obs_pathing_grid)]
    layout += [f"own.height_{k}" for k in range(env.n_obs_height * env.obs_terrain_height)]
    for who, n, first, shield in (("outsider", env.n_enemies, "attackable", env.shield_bits_enemy),
                                  ("ally", env.n_agents - 1, "visible", env.shield_bits_ally)):
        health = ["health", *["shield"] * shield] if env.obs_all_health else []
        seen = [first, "distance", "dx", "dy", *health, *types]
        if who == "ally" and env.obs_last_action:
            seen += [f"did_{action.replace(' ', '_')}" for action in actions]
        layout += [f"{who}.{k}.{name}" for k in range(n) for name in seen]
    own = ["health", *["shield"] * env.shield_bits_ally] if env.obs_own_health else []
    layout += [f"own.{name}" for name in (*own, *types)]
    layout += ["rest.time"] * env.obs_timestep_number
    return {"agent_actions": actions, "outsider_orders": ORDERS, "observation_layout": tuple(layout),
            "success": "all enemy units are dead, and not all agents", "sighted_by": "health", "extras": EXTRAS,
            "bar": "health"}
