"""What a team depends on, and what it is called by that. No heavy import: the zoo is listed by it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from bench.artifacts.files import config_hash
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import Identity
from bench.errors import BenchError


def called(node: DictConfig, kind: str) -> str:
    """What an algorithm or attack is called. Shipped options say it, and are not made for it; all others are asked.

    Raises BenchError for one that cannot be made, or that has a name which no file can have."""
    name = node.name if "name" in node else getattr(build(node, kind), "name", None)
    return _fit(str(name), f"the {kind}'s name is '{name}', which")


def trigger_recipe(attack: Mapping[str, Any]) -> Any:
    """What a trigger depends on, of an attack in a recipe: its own node where there is one, else the whole attack."""
    return attack.get("trigger", attack)


def clean_recipe(cfg: DictConfig, env: Identity) -> dict[str, Any]:
    """Everything that a clean team depends on."""
    return {"env": env.id, "env_version": env.version, "seed": int(cfg.seed),
            "algo": plain(cfg.algo)}


def clean_name(cfg: DictConfig, env: Identity) -> str:
    """The name of a configuration's clean team."""
    return _name(cfg, env, config_hash(clean_recipe(cfg, env)))


def backdoored_recipe(cfg: DictConfig, attack_cfg: DictConfig, env: Identity) -> dict[str, Any]:
    """Everything that a backdoored team depends on, but for the clean team's weights."""
    return {"clean": clean_recipe(cfg, env), "attack": plain(attack_cfg)}


def backdoored_name(cfg: DictConfig, attack_cfg: DictConfig, env: Identity) -> str:
    """The name of a configuration's team with the attack of ``attack_cfg``."""
    return _name(cfg, env, f"{called(attack_cfg, 'attack')}-{config_hash(backdoored_recipe(cfg, attack_cfg, env))}")


def _name(cfg: DictConfig, env: Identity, rest: str) -> str:
    place = _fit(env.id.replace("/", "-"), f"the environment's id is '{env.id}', which")
    return f"{called(cfg.algo, 'algorithm')}-{place}-s{cfg.seed}-{rest}"


def _fit(part: str, what: str) -> str:
    if not re.fullmatch(r"[\w.-]+", part):
        raise BenchError(f"{what} cannot be part of a file's name; allowed: letters, digits, '_', '-', '.'")
    return part
