"""The shipped teams: which there are to be, which there are, and how the missing ones are made."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose
from omegaconf import DictConfig, OmegaConf, open_dict

from bench.artifacts import zoo
from bench.contracts import Battles, Progress
from bench.errors import BenchError
from bench.harness.build import build, check
from bench.harness.fleet import run_all
from bench.harness.sweep import grid, read
from bench.harness.teams import backdoored_name, clean_name


@dataclass(frozen=True)
class Place:
    """A team that belongs to the zoo: its name, how to make it, and its file if there is one."""

    name: str
    attack: str  # "clean" for the team itself
    words: tuple[str, ...]  # of the command that makes it
    file: Path | None  # without its ending


def places(cfg: DictConfig, words: Sequence[str] = ()) -> list[Place]:
    """All teams of ``conf/sweep/zoo.yaml``, clean ones first. ``words`` are further ones for every command.

    Raises BenchError if ``cfg.only`` names attacks that the zoo does not have.
    """
    check(cfg)
    sweep = read(compose("config", ["sweep=zoo"]).sweep)
    found: dict[str, Place] = {}
    for settings in grid(sweep):
        command = [*sweep.words, *words, *(f"{name}={value}" for name, value in settings.items())]
        cell = _composed(command)
        battles = _battles(str(OmegaConf.to_yaml(cell.env)))
        for attack, name, verb in (("clean", clean_name(cell, battles), "train"),
                                   (cell.attack.name, backdoored_name(cell, cell.attack, battles), "inject")):
            if attack == "clean" or build(cell.attack, "attack").changes_team:
                found.setdefault(name, Place(name, attack, (verb, *command), _file(name, cfg)))
    only = chosen(cfg, {place.attack for place in found.values()})
    return sorted((place for place in found.values() if place.attack in only),
                  key=lambda place: place.attack != "clean")


def chosen(cfg: DictConfig, attacks: set[str]) -> set[str]:
    """Those of the zoo's attacks that ``cfg.only`` names, or all. Raises BenchError for one that is not among them."""
    only = {cfg.only} if isinstance(cfg.only, str) else set(cfg.only or attacks)
    for name in sorted(only - attacks):
        raise BenchError(f"the zoo has no attack '{name}'; it has {', '.join(sorted(attacks))}")
    return only


def _composed(command: Sequence[str]) -> DictConfig:
    """``compose("config", command)`` without its cost for every algorithm and seed: nothing but what is resolved later
    depends on either, so that they are put into what is composed once."""
    late = {name: value for name, _, value in (word.partition("=") for word in command) if name in ("algo", "seed")}
    cell = copy.deepcopy(_once(*(word for word in command if word.partition("=")[0] not in late)))
    with open_dict(cell):
        if "algo" in late:
            cell.algo = _once(f"algo={late['algo']}").algo
        if "seed" in late:
            cell.seed = int(late["seed"])
    return cell


@cache
def _once(*words: str) -> DictConfig:
    return compose("config", list(words))


@cache
def _battles(env: str) -> Battles:
    return build(OmegaConf.create(env), "environment")  # type: ignore[arg-type]


def _file(name: str, cfg: DictConfig) -> Path | None:
    made, shipped = Path(cfg.out) / "teams" / name, zoo.FOLDER / name
    for base in (made, *([shipped] if cfg.shipped else [])):
        if base.with_name(f"{name}.json").exists():
            return base
    return None


def build_missing(teams: Sequence[Place], progress: Progress) -> dict[str, str]:
    """Train and inject the teams that have no file, a process a core; returns name -> error of those that failed.

    Clean teams come first: the others are made from them.
    """
    errors: dict[str, str] = {}
    missing = [place for place in teams if place.file is None]
    ended = 0

    def made(batch: list[Place]) -> Any:
        def done(number: int, error: str | None) -> None:
            nonlocal ended
            ended += 1
            if error is not None:
                errors[batch[number].name] = error
            progress(ended / len(missing), f"{ended} of {len(missing)} made, the last {batch[number].name}")
        return done

    for clean in (True, False):
        batch = [place for place in missing if (place.attack == "clean") == clean]
        run_all([list(place.words) for place in batch], made(batch))
    return errors


def publish(cfg: DictConfig) -> list[str]:
    """Ship the zoo's teams as they are, made or already shipped, and no others; returns their names.

    Raises BenchError if one is missing.
    """
    teams = places(cfg)
    for place in teams:
        if place.file is None:
            raise BenchError(f"{place.name} is missing; make it with: python -m bench zoo build "
                             f"{shlex.quote(f'out={cfg.out}')}")
    return zoo.publish([place.file for place in teams if place.file is not None])
