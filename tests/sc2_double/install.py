"""A folder that pysc2 takes for an installed game."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path

from sc2_double.maps import BUILD, MAPS


def install(folder: Path) -> Path:
    """Write the double's program and stand-ins of the maps there; the answer is what SC2PATH is to be."""
    root = Path(folder) / "StarCraftII"
    program = root / f"Versions/Base{BUILD}/SC2_x64"
    for part in (program.parent, root / "Maps/SMAC_Maps", root / "Replays", root / "Libs"):
        part.mkdir(parents=True, exist_ok=True)
    for name, each in MAPS.items():
        (root / f"Maps/SMAC_Maps/{name}.SC2Map").write_bytes(each.content())
    # -S: nothing of site-packages but what is named here, so that a game starts at once
    places = dict.fromkeys([str(Path(__file__).parents[1]), place_of("s2clientprotocol"), place_of("google.protobuf")])
    program.write_text("#!/bin/sh\n"
                       f"PYTHONPATH={shlex.quote(':'.join(places))} "
                       f'exec {shlex.quote(sys.executable)} -S -m sc2_double "$@"\n')
    program.chmod(0o755)
    return root


def place_of(package: str) -> str:
    """The folder in which an installed package lies."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package}, which the double of StarCraft II speaks through, is not installed")
    return str(Path(next(iter(spec.submodule_search_locations))).parents[package.count(".")])
