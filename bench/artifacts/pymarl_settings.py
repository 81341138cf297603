"""How PyMARL trained a team: what its ``config.json`` says, where Sacred has kept it, and what of it is read here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.artifacts.reading import read_json
from bench.errors import BenchError, shown

CONFIG = "config.json"
ASKED: dict[str, Any] = {"rnn_hidden_dim": 64, "obs_last_action": True, "obs_agent_id": True}  # PyMARL's own values
ALLOWED: dict[str, tuple[Any, ...]] = {  # the networks that are this benchmark's own, too
    "agent": ("rnn", "n_rnn"), "mac": ("basic_mac", "n_mac"), "agent_output_type": ("q",), "use_layer_norm": (False,),
    "rnn_hidden_dim": (64,), "obs_last_action": (True, False), "obs_agent_id": (True, False), "mixer": ("vdn", "qmix")}
ALLOWED_QMIX: dict[str, tuple[Any, ...]] = {
    "mixing_embed_dim": (32,), "hypernet_layers": (2,), "hypernet_embed": (64,), "abs": (True,),
    "qmix_pos_func": ("abs",)}
LEVELS = 3  # from results/models/TOKEN/STEP, where a team's files are, up to results
MOST = 1_000  # configurations that are looked at


@dataclass(frozen=True)
class Trained:
    """What a team's files depend on."""

    algo: str  # "vdn" or "qmix"
    rnn_hidden_dim: int
    obs_last_action: bool  # whether the last action was part of an agent's input
    obs_agent_id: bool  # and the agent's number
    map: str | None = None  # the environment's, if that is known
    config: Path | None = None  # where all of this stands, if not in the user's own words


def trained(folder: Path, given: Mapping[str, Any], algo: str, config: Path | None = None) -> Trained:
    """How the team in a folder was trained.

    Parameters
    ----------
    given : values of the user's own, by the names of ``ASKED``, which count more than those of a file; None: not given.
    algo : what a team without a file that says so was trained by.
    config : PyMARL's config.json, if it is not beside or above the team's files.

    Raises
    ------
    BenchError : it is not known, or nothing that can be read here.
    """
    if not folder.is_dir():
        raise BenchError(f"no folder at {folder}; needed is one with PyMARL's agent.th and mixer.th, such as "
                         "results/models/TOKEN/STEP")
    given = {name: value for name, value in given.items() if value is not None}
    file = config or _found(folder)
    if file is None and (lacking := [name for name in ASKED if name not in given]):
        words = " ".join(f"pymarl.{name}={str(ASKED[name]).lower()}" for name in lacking)
        raise BenchError(f"no {CONFIG} of PyMARL is beside or above {folder}; name it (pymarl.config=PATH), or say how "
                         f"the team was trained: algo=vdn or algo=qmix and, if they were as PyMARL has them, {words}")
    found = {"mixer": algo} if file is None else read_json(file)
    found |= given
    if found.get("mixer") is None:
        raise BenchError(f"{file}: mixer is null, the team's agents were trained each for itself (IQL); allowed: "
                         "vdn, qmix")
    for name, allowed in (ALLOWED | (ALLOWED_QMIX if found["mixer"] == "qmix" else {})).items():
        value = found.get(name, allowed[0])
        if not any(value == one and type(value) is type(one) for one in allowed):
            raise BenchError(f"{name if file is None or name in given else f'{file}: {name}'} is {shown(value)}; "
                             f"allowed: {', '.join(map(str, allowed))}")
    asked = {name: found.get(name, ASKED[name]) for name in ASKED}
    return Trained(found["mixer"], **asked, map=_map(found), config=file)


def _found(folder: Path) -> Path | None:
    """The config.json beside a team's files or above them, or Sacred's of a run with the team's name."""
    here = folder.resolve()
    above = [here, *here.parents[:LEVELS]]
    for place in above:
        if (place / CONFIG).is_file():
            return place / CONFIG
    runs = [file for place in above if (place / "sacred").is_dir()
            for file in islice(sorted((place / "sacred").rglob(CONFIG)), MOST)]
    named = {file: settings for file in runs if (settings := _kept(file)) is not None
             and here.parent.name.startswith(f"{settings['name']}__")}  # TOKEN is NAME__DATE
    first = next(iter(named), None)
    for file, settings in named.items():
        if first is not None and settings != named[first]:
            raise BenchError(f"{first} and {file} are of runs with the name that {folder} has, and differ; say which "
                             "is this team's: pymarl.config=PATH")
    return first


def _kept(file: Path) -> dict[str, Any] | None:
    """What of a run's settings is read here, and its name; None of what is no run's."""
    settings = read_json(file)
    if "name" not in settings:
        return None
    return {name: settings.get(name) for name in ("name", *ALLOWED, *ALLOWED_QMIX)} | {"map": _map(settings)}


def _map(settings: Mapping[str, Any]) -> str | None:
    arguments = settings.get("env_args")
    return str(arguments["map_name"]) if isinstance(arguments, dict) and "map_name" in arguments else None
