"""The shipped teams: which there are to be, which there are, and how the missing ones are made."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from bench.artifacts import zoo
from bench.artifacts.files import config_hash
from bench.build import build
from bench.contracts import Battles, Identity, Progress
from bench.envs import identity
from bench.errors import BenchError
from bench.harness.composed import suited
from bench.harness.configuration import check, option
from bench.harness.executors import Executor
from bench.harness.grid import grid, read
from bench.harness.kept import composition
from bench.harness.names import backdoored_name, called, clean_name
from bench.harness.store import store_of

_PARTS = ("algo", "attack")  # groups of which the cells of the zoo choose
TOGETHER = 4  # options that are composed at once
_OTHERS = ("env", "budget", "seed", "clean", "out")  # what else a team depends on


@dataclass(frozen=True)
class Place:
    """A team that belongs to the zoo: its name, how to make it, and its file if there is one."""

    name: str
    attack: str  # "clean" for the team itself
    command: tuple[str, ...]  # the arguments that make it
    file: Path | None  # without its ending


def places(cfg: DictConfig, overrides: Sequence[str] = ()) -> list[Place]:
    """All teams of ``conf/sweep/zoo.yaml``, clean ones first. ``overrides`` are further ones for every command.

    Raises BenchError if ``cfg.only`` names attacks that the zoo does not have.
    """
    check(cfg)
    sweep = read(option("sweep", "zoo"))
    found: dict[str, Place] = {}
    cells = grid(sweep)
    parts = {group: _options(group, tuple(sorted({cell[group] for cell in cells if group in cell})))
             for group in _PARTS}
    common = [*sweep.overrides, *overrides]
    for settings, cell in _each(cells, common, parts):
        command = [*common, *(f"{name}={value}" for name, value in settings.items())]
        env = _identity(cell.env)
        for attack, name, verb in (("clean", clean_name(cell, env), "train"),
                                   (called(cell.attack, "attack"), backdoored_name(cell, cell.attack, env), "inject")):
            if attack == "clean" or _changes_team(cell.attack):
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


def _each(cells: Sequence[dict[str, Any]], overrides: Sequence[str],
          parts: dict[str, dict[str, DictConfig]]) -> Iterator[tuple[dict[str, Any], DictConfig]]:
    """The settings of each cell with what is :func:`_composed` of them, to be read before the next one is asked for:
    cells in a row that differ in their seeds alone share the rest."""
    rest, cell = None, OmegaConf.create()
    for settings in cells:
        others = {name: value for name, value in settings.items() if name != "seed"}
        if others != rest or "seed" not in settings:
            rest, cell = others, _composed(overrides, settings, parts)
        else:
            cell.seed = settings["seed"]
        yield settings, cell


def _composed(overrides: Sequence[str], settings: dict[str, Any],
              parts: dict[str, dict[str, DictConfig]]) -> DictConfig:
    """What teams depend on, of ``compose("config", ...)`` of the overrides that all cells have and a cell's settings,
    without its cost for every cell: the options of ``parts`` are put into what is common to all. Where that would lose
    an override, Hydra composes the whole."""
    given = {name: f"{name}={value}" for name, value in settings.items()}
    if words := suited([*overrides, *given.values()]):
        return OmegaConf.masked_copy(_once(*words, *overrides, *given.values()), [*_OTHERS, *_PARTS])
    common = _once(*overrides)
    groups = [name for name in given if "." not in name and OmegaConf.is_config(common.get(name))]
    if not set(groups) <= set(_PARTS) or any(override.lstrip("+~").startswith(_PARTS) for override in overrides) \
            or not {name.split(".")[0] for name in given} <= {*_PARTS, *_OTHERS}:
        return OmegaConf.masked_copy(_once(*overrides, *given.values()), [*_OTHERS, *_PARTS])
    cell = OmegaConf.masked_copy(common, list(_OTHERS))
    for group in _PARTS:
        cell[group] = parts[group][settings[group]] if group in settings else common[group]
    for name, override in given.items():
        if name not in groups:
            OmegaConf.update(cell, name, _parser().parse_override(override).value())
    return cell


@cache
def _once(*overrides: str) -> DictConfig:
    return composition(["config", *overrides], lambda: compose("config", list(overrides)))


@cache
def _parser() -> OverridesParser:
    return OverridesParser.create()


@cache  # Hydra warns of what is stored twice
def _options(group: str, names: tuple[str, ...]) -> dict[str, DictConfig]:
    """Options of a group, some at a time: for Hydra each of them alone would take three times as long, and all at once
    more than some."""
    found: dict[str, DictConfig] = {}
    for begin in range(0, len(names), TOGETHER):
        some = names[begin: begin + TOGETHER]
        cfg = composition(["options", group, *some], partial(_together, group, some))
        found |= {name: cfg[name] for name in some}
    return found


def _together(group: str, names: Sequence[str]) -> DictConfig:
    """Some options of a group, as Hydra composes them, each under its name."""
    entry = f"{group}-{config_hash(names)}"
    ConfigStore.instance().store(entry, {"defaults": [{f"/{group}@{name}": name} for name in names]})
    return compose(entry)


def _changes_team(attack: DictConfig) -> bool:
    """Whether an attack leaves another team than the clean one. Shipped ones say so by the steps of their retraining,
    and are not made for it."""
    steps = OmegaConf.select(attack, "retraining.steps")
    return build(attack, "attack").changes_team if steps is None else steps > 0


def _identity(env: DictConfig) -> Identity:
    """Which environment this is; one that is known by name is not made for it."""
    return identity(env) or _battles(str(OmegaConf.to_yaml(env))).spec


@cache
def _battles(env: str) -> Battles:
    return build(OmegaConf.create(env), "environment")  # type: ignore[arg-type]


def _file(name: str, cfg: DictConfig) -> Path | None:
    made, shipped = Path(cfg.out) / "teams" / name, zoo.FOLDER / name
    for base in (made, *([shipped] if cfg.shipped else [])):
        if base.with_name(f"{name}.json").exists():
            return base
    return made if store_of(cfg).fetch(made) else None


def build_missing(teams: Sequence[Place], progress: Progress, executor: Executor) -> dict[str, str]:
    """Train and inject the teams that have no file; returns name -> error of those that failed.

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
        executor.run([place.command for place in batch], made(batch))
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
