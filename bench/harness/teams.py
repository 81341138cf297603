"""Teams by their configuration: shipped, made before, or made now. A killed run goes on where it was last written."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from bench import plugins
from bench.artifacts import zoo
from bench.artifacts.files import locked
from bench.artifacts.reading import parse_json
from bench.artifacts.shared import Alone
from bench.artifacts.teams import load_team, read_metadata, read_tensors, save_team, write_tensors
from bench.artifacts.temporary import sweep
from bench.build import build
from bench.contracts import Attack, Battles, Estimate, LearnedTrigger, Progress, Trigger
from bench.errors import BenchError, UnfitState
from bench.harness import memory
from bench.harness.configuration import check, check_places
from bench.harness.names import backdoored_name, backdoored_recipe, called, clean_name, clean_recipe, given
from bench.harness.store import store_of
from bench.marl.learners import Settings, require_known
from bench.marl.play import play
from bench.marl.team import Team
from bench.metrics.attack import rate
from bench.protocol.seeds import PUBLIC

Say = Callable[[str], None]
Stage = Callable[[str], Any]  # a context manager that shows a stage's progress and gives it a Progress to call


@dataclass(frozen=True)
class Checkpoint:
    """A team on disk, and what is known of it."""

    name: str
    team: Team
    about: dict[str, Any]
    attack: Attack | None = None  # the one that was put in, its trigger as it was learned; None of a clean team

    @property
    def sha256(self) -> str:
        return self.about["sha256"]


def clean_team(cfg: DictConfig, battles: Battles, stage: Stage, say: Say) -> Checkpoint:
    """The clean team of a configuration."""
    check(cfg)
    if (there := given(cfg)) is not None:
        return _given(cfg, there[0], battles)
    recipe, name = clean_recipe(cfg, battles.spec), clean_name(cfg, battles.spec)
    trusted = _trusted(cfg)
    found = find(name, cfg, battles)
    if found is not None:
        return found
    check_places(cfg)
    learning: Settings = build(cfg.algo, "algorithm")
    memory.require(memory.training(battles.spec, learning), say)

    def train(store: Store, progress: Progress) -> tuple[Team, list[dict[str, float]]]:
        trainer = learning.trainer(battles, int(cfg.seed))
        require_known(trainer.team(), trusted)  # before it is trained
        trainer.fit(store, progress, Path(cfg.out) / "tensorboard" / name)
        return trainer.team(), trainer.curve

    def figures(team: Team, progress: Progress) -> dict[str, Estimate]:
        return win_rates(team, battles, cfg.budget.test_battles, None, progress)

    return _make(name, cfg, recipe, stage, say, f"training a clean {learning.name} team", train, figures)


def _given(cfg: DictConfig, base: Path, battles: Battles) -> Checkpoint:
    """The team that ``clean=`` names."""
    team, about = load_team(base, _trusted(cfg))
    team.require(battles.spec)
    if team.algo != (name := called(cfg.algo, "algorithm")):
        raise BenchError(f"{base.name} is a {team.algo} team, and algo={name} is configured; give "
                         f"algo={team.algo}")
    if (about.get("recipe") or {}).get("attack"):
        raise BenchError(f"{base.name} is no clean team: its file says that it was attacked")
    return Checkpoint(base.name, team, about)


def backdoored_team(cfg: DictConfig, attack_cfg: DictConfig, battles: Battles, stage: Stage, say: Say) -> Checkpoint:
    """The configured team with the attack of ``attack_cfg`` injected; the clean team where that changes nothing."""
    check(cfg)
    attack: Attack = build(attack_cfg, "attack")
    attack.require(battles.spec)  # before anything is trained
    if getattr(attack, "disguise", None) is not None:
        return _disguised(cfg, attack_cfg, attack, battles, stage, say)
    return _injected(cfg, attack_cfg, attack, battles, stage, say)


def _injected(cfg: DictConfig, attack_cfg: DictConfig, attack: Attack, battles: Battles, stage: Stage,
              say: Say) -> Checkpoint:
    """The team that the attack leaves, without a disguise."""
    recipe = backdoored_recipe(cfg, attack_cfg, battles.spec)
    name = backdoored_name(cfg, attack_cfg, battles.spec)
    found = find(name, cfg, battles)
    clean_checkpoint = clean_team(cfg, battles, stage, say)
    if found is not None:
        if found.about["recipe"].get("clean_sha256") != clean_checkpoint.sha256:
            raise BenchError(f"{name} was not made from the {clean_checkpoint.name} that is here; remove one of them")
        recall(attack, found.about)
        return replace(found, attack=attack)
    if not attack.changes_team:
        return replace(clean_checkpoint, attack=attack)

    def inject(store: Store, progress: Progress) -> tuple[Team, list[dict[str, float]]]:
        return attack.inject(clean_checkpoint.team, battles, int(cfg.seed), store, progress)

    def figures(team: Team, progress: Progress) -> dict[str, Estimate]:
        return win_rates(team, battles, cfg.budget.test_battles, attack.trigger, progress)

    origin = {"clean_sha256": clean_checkpoint.sha256}

    def of(changes: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        other = OmegaConf.merge(attack_cfg, changes)
        assert isinstance(other, DictConfig)
        return backdoored_name(cfg, other, battles.spec), backdoored_recipe(cfg, other, battles.spec) | origin

    made = _make(name, cfg, recipe | origin, stage, say,
                 f"injecting {attack.name} into {clean_checkpoint.name}", inject, figures, attack.trigger, of)
    recall(attack, made.about)
    return replace(made, attack=attack)


def _disguised(cfg: DictConfig, attack_cfg: DictConfig, attack: Any, battles: Battles, stage: Stage,
               say: Say) -> Checkpoint:
    """The team that the attack leaves, as its disguise changes it: made of the one without it, which is found or made
    first."""
    attack.disguise.require(clean_team(cfg, battles, stage, say).team)  # before anything is injected
    undisguised = copy.deepcopy(attack_cfg)
    with open_dict(undisguised):
        undisguised.pop("disguise", None)
    source = _injected(cfg, undisguised, build(undisguised, "attack"), battles, stage, say)
    recall(attack, source.about)
    recipe = backdoored_recipe(cfg, attack_cfg, battles.spec) | {"undisguised_sha256": source.sha256}
    name = backdoored_name(cfg, attack_cfg, battles.spec)

    def disguise(store: Store, progress: Progress) -> tuple[Team, list[dict[str, float]]]:  # noqa: ARG001
        return attack.disguise(source.team, int(cfg.seed)), source.about.get("curve", [])

    def figures(team: Team, progress: Progress) -> dict[str, Estimate]:
        return win_rates(team, battles, cfg.budget.test_battles, attack.trigger, progress)

    found = find(name, cfg, battles)
    if found is None:
        found = _make(name, cfg, recipe, stage, say, f"disguising {source.name}", disguise, figures, attack.trigger)
    if found.about["recipe"].get("undisguised_sha256") != source.sha256:
        raise BenchError(f"{name} was not made from the {source.name} that is here; remove one of them")
    return replace(found, attack=attack)


def recall(attack: Attack, about: dict[str, Any]) -> None:
    """Give a trigger that was learned with a backdoor what it learned, which the checkpoint keeps."""
    if isinstance(attack.trigger, LearnedTrigger):
        attack.trigger.learned = about.get("trigger")


class Store:
    """Where a run under way is written down; see :class:`bench.contracts.Store`."""

    def __init__(self, base: Path) -> None:
        self._folder, self._prefix = base.parent, f"{base.name}.partial"
        self.file = base.with_name(f"{self._prefix}.safetensors")
        self._latest = base.with_name(f"{base.name}-latest")
        self.further: list[tuple[dict[str, Any], Team, list[dict[str, float]]]] = []

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        if not self.file.exists():
            return None
        tensors, _ = read_tensors(self.file)
        values = read_metadata(self.file).get("values")
        if values is None:
            raise BenchError(f"{self.file} is corrupt: it does not say how far the run was")
        return tensors, parse_json(values.encode(), self.file)

    def save(self, tensors: dict[str, Any], values: dict[str, Any], team: Team) -> None:
        write_tensors(self.file, tensors, {"values": json.dumps(values)})  # one file: whole or not there
        save_team(self._latest, team, {"unfinished": True})

    def save_part(self, name: str, tensors: dict[str, Any]) -> None:
        write_tensors(self._part(name), tensors)

    def load_part(self, name: str) -> dict[str, Any]:
        return read_tensors(self._part(name))[0]

    def keep_parts(self, names: Collection[str]) -> None:
        kept = {self.file, *map(self._part, names)}
        for file in self._written():
            if file not in kept:
                file.unlink(missing_ok=True)

    def also(self, changes: dict[str, Any], team: Team, curve: list[dict[str, float]]) -> None:
        self.further.append((changes, team, curve))

    def clear(self) -> None:
        """Remove what was written, the run being finished."""
        latest = [self._latest.with_name(f"{self._latest.name}{ending}") for ending in (".json", ".safetensors")]
        for file in (*self._written(), *latest):
            file.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what a run that was killed just after its end has left, unless somebody is at it."""
        sweep(self._folder)
        if self._written():
            with contextlib.suppress(BenchError), locked(self._folder / self._prefix.removesuffix(".partial")):
                self.clear()

    def _part(self, name: str) -> Path:
        return self._folder / f"{self._prefix}-{name}.safetensors"

    def _written(self) -> list[Path]:
        return [file for file in self._folder.iterdir() if file.name.startswith(self._prefix)
                and file.suffix == ".safetensors"]


def _make(name: str, cfg: DictConfig, recipe: dict[str, Any], stage: Stage, say: Say, what: str,
          make: Callable, figures: Callable, trigger: Trigger | None = None,
          of: Callable[[dict[str, Any]], tuple[str, dict[str, Any]]] | None = None) -> Checkpoint:
    """Make a team and write it, or wait until another process has. ``of`` says what further teams that the run comes by
    are called and depend on, by what is changed in the attack."""
    base, trusted, shared = Path(cfg.out) / "teams" / name, _trusted(cfg), store_of(cfg)
    # Another cell of a sweep may be making it, here or elsewhere: then it is worth waiting for.
    with locked(base, -1, say), shared.claimed(base, say):
        if (found := _load(base, trusted)) is not None:  # made by another process since this one looked
            return found
        say(f"no checkpoint matches this configuration: {what} first (kept as {base})")
        store = Store(base)
        with stage(what) as progress:
            try:
                team, curve = make(store, progress)
            except UnfitState as error:
                raise BenchError(f"{store.file} cannot be gone on with: {error}; delete it to begin anew") from None
        learned = {"trigger": trigger.learned} if isinstance(trigger, LearnedTrigger) else {}
        made = [(name, recipe, team, curve)]
        if of is not None:  # first, so that a kill between them has the run go on from its last save
            made[:0] = [(*of(changes), one, its) for changes, one, its in store.further]
        for called_so, what_of, one, curve_of in made:
            require_known(one, trusted)
            with stage(f"measuring {called_so}") as progress:
                measured = {figure: asdict(estimate) for figure, estimate in figures(one, progress).items()}
            save_team(base.with_name(called_so), one, {"recipe": what_of, "curve": curve_of, "measured": measured}
                      | learned)
            shared.publish(base.with_name(called_so))
        store.clear()
    checkpoint = _load(base, trusted)
    assert checkpoint is not None
    return checkpoint


def win_rates(team: Team, battles: Battles, n: int, trigger: Trigger | None, progress: Progress) -> dict[str, Estimate]:
    """Win rates over the benchmark's test battles, without the trigger and, if one is given, with it."""
    figures = {"win_rate": rate(play(battles, team, n, PUBLIC["normal"], progress=progress).labels.won)}
    if trigger is not None:
        shown = play(battles, team, n, PUBLIC["triggered"], trigger=trigger, poisoned=True, progress=progress)
        figures["win_rate_triggered"] = rate(shown.labels.won)
    return figures


def _trusted(cfg: DictConfig) -> frozenset[str]:
    """Top-level modules that a team's file below ``out`` may name an architecture of, whoever has put it there: those
    that the user's own words name, the configured algorithm's and those of ``plugin``."""
    return plugins.trusted(cfg.plugin) | {str(cfg.algo.get("_target_")).partition(".")[0]}


def find(name: str, cfg: DictConfig, battles: Battles) -> Checkpoint | None:
    """The team of this name, shipped or made before, here or by somebody with the same store."""
    made = Path(cfg.out) / "teams" / name
    for base in ((zoo.FOLDER / name,) if cfg.shipped else ()) + (made,):
        store = store_of(cfg) if base == made else Alone()
        store.fetch(base)
        found = _load(base, _trusted(cfg))
        if found is not None:
            found.team.require(battles.spec)
            store.agree(base)
            if base == made:
                Store(base).tidy()
            return found
    return None


def _load(base: Path, trusted: frozenset[str]) -> Checkpoint | None:
    if not base.with_name(base.name + ".json").exists():
        return None
    team, about = load_team(base, trusted)
    return Checkpoint(base.name, team, about)
