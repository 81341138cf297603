"""From the overrides of a command to its configuration, which keeps the choices and overrides that made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hydra import compose
from omegaconf import DictConfig, OmegaConf, open_dict

from bench import options, plugins
from bench.envs import ENVIRONMENTS

# What an override that makes a cell may begin with: its parts, and the groups that these choose from.
PARTS = ("env", "algo", "attack", "control", "detector", "response", "seed", "defender", "after_steps", "budget",
         "view", "backdoor", "trigger", "payload", "retraining")


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration of ``python -m bench run`` with these overrides. Hydra has to be initialised."""
    return remembering(compose("config", plugins.overrides(overrides), return_hydra_config=True))


def remembering(cfg: DictConfig, hydra: Any = None) -> DictConfig:
    """A configuration without Hydra's own part (``hydra``, by default what it holds itself), but with what this knows
    of how it was made, for :func:`made`. What its environment needs besides (:func:`suited`) is put into it."""
    hydra = cfg.hydra if hydra is None else hydra
    overrides: Any = OmegaConf.to_container(hydra.overrides.task, resolve=False)
    if words := suited(overrides):
        cfg = compose("config", [*words, *overrides], return_hydra_config=True)
        hydra = cfg.hydra
    with open_dict(cfg):
        cfg.made = {"choices": dict(hydra.runtime.choices),
                    "overrides": [override for override in overrides if part(override) != "command"]}
        cfg.pop("hydra", None)
    return cfg


def suited(overrides: Sequence[str]) -> list[str]:
    """The overrides that the chosen environment has for what else is chosen (``Environment.suits``), less those whose
    value is given already."""
    given = dict(override.lstrip("+~").partition("=")[::2] for override in overrides)
    environment = ENVIRONMENTS.get(given.get("env", options.default("env")))
    if environment is None or not environment.suits:
        return []
    words: list[str] = []
    for group, key in (("attack", "attack"), ("control", "attack@control"), ("algo", "algo"), ("budget", "budget"),
                       ("response", "response")):
        chosen = "null" if given.get(group) == "null" else given.get(key, options.default(key))
        if f"{key}._target_" not in given and f"~{key}" not in overrides:
            words += environment.suits.get(f"{group}={chosen}", ())
    return [word for word in words if word.lstrip("+~").partition("=")[0] not in given]


class Made(NamedTuple):
    """How a configuration was made."""

    choices: dict[str, str | None]  # group -> its option
    overrides: list[str]


def made(cfg: DictConfig) -> Made:
    """What :func:`remembering` has kept: the overrides as they were typed, ``${...}`` in them as well."""
    return Made(**OmegaConf.to_container(cfg.made, resolve=False))  # type: ignore[arg-type]


def of_a_cell(overrides: Sequence[str]) -> list[str]:
    """Those of the overrides that say which cell is measured, and not where or how."""
    return [override for override in overrides if part(override) in PARTS]


def part(override: str) -> str:
    """What an override is about: "attack" of ``++attack.victim=1``."""
    name = override.lstrip("+~").partition("=")[0]
    return name.partition("@")[0].partition(".")[0]
