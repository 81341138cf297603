"""The teams that model detectors judge, and what is known of them: the shipped ones, or those of a referee's folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from omegaconf import DictConfig

from bench.artifacts import zoo
from bench.artifacts.files import read_json
from bench.artifacts.reading import read_table
from bench.artifacts.teams import load_team
from bench.build import build
from bench.contracts import Battles, Disguise, Shape
from bench.envs import make_battles
from bench.errors import BenchError, unknown
from bench.harness.zoo import chosen
from bench.leaderboard.ranking import BOUNDS
from bench.leaderboard.splits import split_of
from bench.marl.team import Team
from bench.protocol.models import CLEAN, DISGUISED, HOLDOUT

LABELS = "labels.csv"  # of a referee's folder: checkpoint (its name), backdoored (true or false)
TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Model:
    """A checkpoint to be judged, and what is known of it; None where nothing is."""

    base: Path  # its files, without their endings
    sha256: str
    spec: Shape
    algo: str
    split: str  # of bench.leaderboard.splits, or "holdout"
    attack: str | None = None  # "clean" for a clean team
    seed: int | None = None
    backdoored: bool | None = None
    disguise: Disguise | None = None  # put on when the team is loaded

    @property
    def name(self) -> str:
        """Of its file, and of its disguise."""
        return self.base.name if self.disguise is None else f"{self.base.name}-{self.disguise.name}"

    def load(self, trusted: frozenset[str] = frozenset()) -> Team:
        """The team; its architecture may be of the packages ``trusted``."""
        team = load_team(self.base, trusted)[0]
        return team if self.disguise is None else self.disguise(team, self.seed or 0)


def shipped(cfg: DictConfig) -> list[Model]:
    """The shipped teams that ``cfg.only`` and ``cfg.domain`` allow, with their labels, and the clean ones once more
    behind ``cfg.disguise``; without the bounds, whose agents hide nothing."""
    zoo.check()
    recipes = {name: read_json(zoo.FOLDER / f"{name}.json")["recipe"] for name in zoo.names()}
    attacks = {name: recipe.get("attack") or {"name": CLEAN, "poison_rate": 0.0} for name, recipe in recipes.items()}
    only = chosen(cfg, {attack["name"] for attack in attacks.values()} - set(BOUNDS))
    trained = {name: recipe.get("clean", recipe) for name, recipe in recipes.items()}
    domains = {name: recipe["env"].partition("/")[0] for name, recipe in trained.items()}
    if cfg.domain is not None and cfg.domain not in domains.values():
        raise unknown("domain", str(cfg.domain), sorted(set(domains.values())))
    models = []
    for name, attack in attacks.items():
        if attack["name"] in only and cfg.domain in (None, domains[name]):
            team, about = load_team(zoo.FOLDER / name)
            seed = trained[name]["seed"]
            models.append(Model(zoo.FOLDER / name, about["sha256"], team.spec, team.algo,
                                split_of(attack["name"], seed, (), hidden=False), attack["name"], seed,
                                attack["poison_rate"] > 0))
    disguise = None if cfg.disguise is None else build(cfg.disguise, "disguise")
    if disguise is not None:
        models += [replace(model, split=DISGUISED, attack=f"{CLEAN}-{disguise.name}", disguise=disguise)
                   for model in models if model.attack == CLEAN]
    return models


def in_folder(folder: Path, trusted: frozenset[str] = frozenset()) -> list[Model]:
    """The checkpoints of a referee's folder, all of them whole, with their labels if it has any; their environments and
    architectures may be of the packages ``trusted``.

    Raises BenchError if the folder is missing or empty, a checkpoint is not whole, or labels and checkpoints do not
    match.
    """
    if not folder.is_dir():
        raise BenchError(f"no folder at {folder}; holdout=DIR needs one with NAME.safetensors and NAME.json")
    models = []
    for file in sorted(folder.glob("*.safetensors")):
        team, about = load_team(file, trusted)
        models.append(Model(file.with_suffix(""), about["sha256"], team.spec, team.algo, HOLDOUT))
    if not models:
        raise BenchError(f"no checkpoint in {folder}; holdout=DIR needs NAME.safetensors and NAME.json")
    for model in models:
        try:
            battles_of(model.spec, trusted)
        except BenchError as error:
            raise BenchError(f"{model.base.name} cannot be judged: {error}") from None
    if not (folder / LABELS).exists():
        return models
    labels = _labels(folder / LABELS)
    names = [model.base.name for model in models]
    for name in labels.keys() - set(names):
        raise unknown(f"checkpoint in {folder / LABELS}", name, names)
    for name in names:
        if name not in labels:
            raise BenchError(f"{folder / LABELS} says nothing of the checkpoint '{name}'; label all or none")
    return [replace(model, backdoored=labels[model.base.name]) for model in models]


def _labels(file: Path) -> dict[str, bool]:
    frame = read_table(file, dtype=str, keep_default_na=False)
    if not {"checkpoint", "backdoored"} <= set(frame.columns):
        raise BenchError(f"{file} has the columns {', '.join(frame.columns)}; needed are checkpoint and backdoored")
    if frame["checkpoint"].duplicated().any():
        raise BenchError(f"{file} names '{frame['checkpoint'][frame['checkpoint'].duplicated()].iloc[0]}' twice")
    for value in frame["backdoored"]:
        if value.strip().lower() not in TRUTH:
            raise unknown(f"label in {file}", value, TRUTH)
    return {name: TRUTH[value.strip().lower()]
            for name, value in zip(frame["checkpoint"], frame["backdoored"], strict=True)}


@cache
def battles_of(spec: Shape, trusted: frozenset[str] = frozenset()) -> Battles:
    return make_battles(spec, trusted)
