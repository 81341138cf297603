"""What a team depends on, and what it is called by that. No heavy import: the zoo is listed by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bench.artifacts.files import config_hash, read_json
from bench.artifacts.reading import corrupt
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import Identity
from bench.envs import at_once
from bench.errors import BenchError


def called(node: DictConfig, kind: str) -> str:
    """What an algorithm or attack is called. Shipped options say it, and are not made for it; all others are asked.

    Raises BenchError for one that cannot be made, or that has a name which no file can have."""
    known = "name" in node and node.get("disguise") is None  # an attack with a disguise has a name that tells of it
    name = node.name if known else getattr(build(node, kind), "name", None)
    return _fit(str(name), f"the {kind}'s name is '{name}', which")


def attack_recipe(attack: Mapping[str, Any]) -> dict[str, Any]:
    """An attack's plain configuration as recipes and hashes have it: without a disguise where there is none, as before
    there were any."""
    return {name: value for name, value in attack.items() if name != "disguise" or value is not None}


def trigger_recipe(attack: Mapping[str, Any]) -> Any:
    """What a trigger depends on, of an attack in a recipe: its own node where there is one, else the whole attack."""
    return attack.get("trigger", attack)


def clean_recipe(cfg: DictConfig, env: Identity) -> dict[str, Any]:
    """Everything that a clean team depends on."""
    recipe = {"env": env.id, "env_version": env.version, "seed": int(cfg.seed), "algo": plain(cfg.algo)}
    if (battles := at_once(cfg.env)) is not None:  # it says in which order they are played, and learned from
        recipe["at_once"] = battles
    return recipe if (there := given(cfg)) is None else recipe | {"sha256": there[1]}


def clean_name(cfg: DictConfig, env: Identity) -> str:
    """The name of a configuration's clean team."""
    return _name(cfg, env, config_hash(clean_recipe(cfg, env)))


def backdoored_recipe(cfg: DictConfig, attack_cfg: DictConfig, env: Identity) -> dict[str, Any]:
    """Everything that a backdoored team depends on, but for the clean team's weights."""
    return {"clean": clean_recipe(cfg, env), "attack": attack_recipe(plain(attack_cfg))}


def backdoored_name(cfg: DictConfig, attack_cfg: DictConfig, env: Identity) -> str:
    """The name of a configuration's team with the attack of ``attack_cfg``."""
    return _name(cfg, env, f"{called(attack_cfg, 'attack')}-{config_hash(backdoored_recipe(cfg, attack_cfg, env))}")


def given(cfg: DictConfig) -> tuple[Path, str] | None:
    """(where the clean team of ``clean=`` is, without an ending; the sha256 of its weights), or None where the clean
    team is the one that the configuration trains.

    Raises BenchError if there is no team.
    """
    if cfg.clean is None:
        return None
    path = Path(str(cfg.clean)).expanduser()
    path = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    for base in (path, Path(cfg.out) / "teams" / path):
        file = base.with_name(f"{base.name}.json")
        if base.name and file.is_file():
            digest = read_json(file).get("sha256")
            if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
                raise corrupt(file, "it does not say the sha256 of its team's weights")
            return base, digest
    raise BenchError(f"clean is {cfg.clean}, but no team is there, nor in {Path(cfg.out) / 'teams'}; needed are "
                     "NAME.safetensors and NAME.json, as python -m bench import and train write them")


def place_of(env: Identity) -> str:
    """An environment as part of a file's name."""
    return env.id.replace("/", "-")


def _name(cfg: DictConfig, env: Identity, rest: str) -> str:
    place = _fit(place_of(env), f"the environment's id is '{env.id}', which")
    return f"{called(cfg.algo, 'algorithm')}-{place}-s{cfg.seed}-{rest}"


def _fit(part: str, what: str) -> str:
    if not re.fullmatch(r"[\w.-]+", part):
        raise BenchError(f"{what} cannot be part of a file's name; allowed: letters, digits, '_', '-', '.'")
    return part
