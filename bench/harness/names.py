"""What a team depends on, and what it is called by that. No heavy import: the zoo is listed by it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bench.artifacts.files import config_hash, read_json
from bench.artifacts.reading import corrupt
from bench.artifacts.written import plain
from bench.contracts import Identity
from bench.errors import BenchError


def clean_recipe(cfg: DictConfig, env: Identity) -> dict[str, Any]:
    """Everything that a clean team depends on."""
    recipe = {"env": env.id, "env_version": env.version, "seed": int(cfg.seed), "algo": plain(cfg.algo)}
    return recipe if (there := given(cfg)) is None else recipe | {"sha256": there[1]}


def clean_name(cfg: DictConfig, env: Identity) -> str:
    """The name of a configuration's clean team."""
    return _name(cfg, env, config_hash(clean_recipe(cfg, env)))


def backdoored_recipe(cfg: DictConfig, attack_cfg: DictConfig, env: Identity) -> dict[str, Any]:
    """Everything that a backdoored team depends on, but for the clean team's weights."""
    return {"clean": clean_recipe(cfg, env), "attack": plain(attack_cfg)}


def backdoored_name(cfg: DictConfig, attack_cfg: DictConfig, env: Identity) -> str:
    """The name of a configuration's team with the attack of ``attack_cfg``."""
    return _name(cfg, env, f"{attack_cfg.name}-{config_hash(backdoored_recipe(cfg, attack_cfg, env))}")


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
    place = place_of(env)
    if not re.fullmatch(r"[\w.-]+", f"{place}{rest}"):
        raise BenchError(f"'{rest}' cannot be part of a file's name; allowed: letters, digits, '_', '-', '.'")
    return f"{cfg.algo.name}-{place}-s{cfg.seed}-{rest}"
