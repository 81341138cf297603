"""What ``python -m bench doctor env=smac`` looks at, one thing after the other, and what is to be done about each."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.children import child
from bench.contracts import Finding
from bench.envs.smac_names import ARCHIVE, DIFFICULTIES, MAPS, build, map_file, root

COMMIT = "d6aab33f76abc3849c50463a8592a84f59a5ef84"
SMAC = f"pip install --no-deps git+https://github.com/oxwhirl/smac@{COMMIT}"
EXTRA = "pip install 'marl-backdoor-bench[smac]'"
PROTOCOL = "pip install pys2clientprotocol==1.0.2"
GAME = "https://github.com/Blizzard/s2client-proto#downloads"
MAPS_AT = "https://github.com/oxwhirl/smac/releases/download/v0.1-beta1/SMAC_Maps.zip"
RELEASES = {69232: "4.6.2, that of SMAC's paper", 75689: "4.10, that of most papers since"}
PROGRAM = {"win32": "SC2_x64.exe", "darwin": "SC2.app/Contents/MacOS/SC2"}.get(sys.platform, "SC2_x64")
LIMIT = 180.0  # seconds for all that a game is asked to do; it takes half a minute to start from a slow disk
PLAYED = ("import", "first battle", "orders", "roll-back")  # what a game is needed for, in order


def checks(map: str = "8m", difficulty: str = "7", **_: Any) -> Iterator[Finding]:
    """All checks, with the options of the environment. Nothing is left running."""
    yield Finding("Python", sys.version_info >= (3, 11), f"{platform.python_version()}; 3.11 or newer is needed")
    found = [*_packages(), *_game(str(map))]
    if str(difficulty) not in DIFFICULTIES:
        found.append(Finding("difficulty", False, f"{difficulty}; allowed: {', '.join(DIFFICULTIES)}"))
    yield from found
    if all(one.ok for one in found):
        yield from _played(str(map), str(difficulty))
    else:
        yield Finding("a battle", False, "not tried; first do what is said above")


def _packages() -> Iterator[Finding]:
    owners = set(importlib.metadata.packages_distributions().get("s2clientprotocol", ()))
    if len(owners) > 1:
        yield Finding("protocol", False, "s2clientprotocol and pys2clientprotocol own the same folder; do: pip "
                                         f"uninstall -y s2clientprotocol pys2clientprotocol && {PROTOCOL}")
    elif owners == {"s2clientprotocol"}:
        yield Finding("protocol", False, "s2clientprotocol does not load beside protobuf 4 and later; do: pip "
                                         f"uninstall -y s2clientprotocol && {PROTOCOL}")
    else:
        yield _package("pys2clientprotocol", "s2clientprotocol", PROTOCOL)
    for name, module in (("protobuf", "google.protobuf"), ("websocket-client", "websocket"),
                         ("portpicker", "portpicker"), ("absl-py", "absl")):
        yield _package(name, module, EXTRA)
    pysc2 = _package("pysc2", "pysc2", command := "pip install --no-deps pysc2==4.0.0")
    yield pysc2 if not pysc2.ok or pysc2.text == "4.0.0" else Finding(
        "pysc2", False, f"{pysc2.text}, and 4.0.0 is what works; do: {command}")
    yield _smac()


def _package(name: str, module: str, command: str) -> Finding:
    """Whether a package is there, which is not imported."""
    try:
        if importlib.util.find_spec(module) is not None:
            return Finding(name, True, importlib.metadata.version(name))
    except ImportError:  # of the package that a module is in, or a folder without a package
        pass
    return Finding(name, False, f"is not installed; do: {command}")


def _smac() -> Finding:
    """oxwhirl/smac is on no index; another package, an optimiser, has its name there."""
    spec = importlib.util.find_spec("smac")
    if spec is None:
        return Finding("smac", False, f"is not installed; do: {SMAC}")
    if not any((Path(place) / "env" / "starcraft2").is_dir() for place in spec.submodule_search_locations or ()):
        return Finding("smac", False, f"is another package of this name, an optimiser; do: pip uninstall -y smac && "
                                      f"{SMAC}")
    try:
        found = importlib.metadata.distribution("smac")
        origin = next((file for file in found.files or () if file.name == "direct_url.json"), None)
        source = json.loads(origin.read_text(encoding="utf-8")).get("vcs_info", {}) if origin else {}
    except (importlib.metadata.PackageNotFoundError, OSError, ValueError):
        return Finding("smac", True, "of an unknown version")
    commit = source.get("commit_id", "unknown")
    tried = "" if commit in ("unknown", COMMIT) else f"; tried is {COMMIT[:7]}"
    return Finding("smac", True, f"{found.version}, commit {commit[:7]}{tried}")


def _game(map: str) -> Iterator[Finding]:
    folder, number = root(), build()
    named = "SC2PATH" if os.environ.get("SC2PATH") else "the default, as SC2PATH is not set"
    if not folder.is_dir():
        yield Finding("SC2PATH", False, f"no folder at {folder} ({named}); install StarCraft II ({GAME}) and set "
                                        "SC2PATH to its folder")
        return
    yield Finding("SC2PATH", True, f"{folder} ({named})")
    if number is None:
        yield Finding("game build", False, f"no Versions/Base... in {folder}; install StarCraft II there: {GAME}")
    else:
        program = folder / "Versions" / f"Base{number:05d}" / PROGRAM
        release = RELEASES.get(number, "another than most papers have, 4.6.2 or 4.10: units may differ")
        yield (Finding("game build", True, f"{number} ({release})") if os.access(program, os.X_OK) else
               Finding("game build", False, f"{program} is not there, or may not be run; do: chmod +x, or install "
                                            f"StarCraft II again"))
    yield _map(map)


def _map(map: str) -> Finding:
    file = map_file(map)
    if map not in MAPS:
        return Finding("map", False, f"{map} is none of SMAC's; allowed: {', '.join(MAPS)}")
    if not file.is_file():
        return Finding("map", False, f"no {file}; unpack {MAPS_AT} in {file.parents[1]}, so that SMAC_Maps is there")
    there = [name for name in MAPS if map_file(name).is_file()]
    real = "" if file.read_bytes()[:len(ARCHIVE)] == ARCHIVE else "; it is a stand-in for tests, not a map of the game"
    return Finding("map", True, f"{map}, and {len(there)} of SMAC's {len(MAPS)} in all{real}")


def _played(map: str, difficulty: str) -> Iterator[Finding]:
    """What another process finds with a game. It is killed when its time is over, and its game is with it."""
    said, over = 0, threading.Event()
    with child([sys.executable, "-m", "bench.envs.smac_trial", map, difficulty], stdout=subprocess.PIPE,
               stderr=subprocess.DEVNULL, encoding="utf-8") as process:
        def end() -> None:
            over.set()
            process.kill()

        timer = threading.Timer(LIMIT, end)
        timer.start()
        try:
            for line in process.stdout:
                finding = Finding(**json.loads(line))
                said += 1
                yield finding
                if not finding.ok:
                    return
        finally:
            timer.cancel()
            process.stdout.close()
    if said < len(PLAYED):
        why = f"no answer within {LIMIT:.0f} s" if over.is_set() else "the process that tried it has ended"
        yield Finding(PLAYED[said], False, f"{why}; see whether the game starts by itself: {root()}")
