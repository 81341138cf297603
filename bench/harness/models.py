"""Judging whole teams, by the rules of :mod:`bench.protocol.models`: the teams are found, the detector is asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf

from bench import BENCHMARK, options, plugins
from bench.artifacts.files import config_hash, read_json, write_json
from bench.artifacts.kinds import SCORE
from bench.artifacts.reading import valid
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import RECORDABLE, ModelFigures
from bench.errors import BenchError, DetectorError
from bench.harness.configuration import check, option
from bench.harness.hosts import own_process
from bench.harness.suspects import Model, battles_of, in_folder, shipped
from bench.harness.teams import Stage
from bench.isolation.model_hosts import ModelElsewhere, ModelHost, ModelInProcess
from bench.isolation.own_process import OwnProcess
from bench.marl.play import play
from bench.protocol.models import DEV, HOLDOUT, figures, probabilities
from bench.protocol.seeds import PUBLIC


@dataclass(frozen=True)
class Judged:
    """What a model detector makes of the teams that it was asked about."""

    detector: str
    rows: pd.DataFrame  # a row a checkpoint
    figures: list[ModelFigures]  # of those whose labels are known, and of the dev split


def judge_models(cfg: DictConfig, stage: Stage) -> Judged:
    """Judge the shipped teams, or those of the folder ``cfg.holdout``. What was judged before is read from ``out``.

    Raises BenchError for a folder that does not hold whole checkpoints, a detector that breaks its contract, or if
    there is nothing to learn probabilities from.
    """
    check(cfg)
    if cfg.get("model_detector") is None:
        raise BenchError(f"no model detector is configured; allowed: {', '.join(options.names('model_detector'))}")
    asked = [] if cfg.holdout is None else in_folder(Path(str(cfg.holdout)), plugins.trusted(cfg.plugin))
    known = shipped(cfg)
    dev = [model for model in known if model.split == DEV]
    examiner = Examiner(cfg, dev)
    if examiner.kind == "statistic" and len({model.backdoored for model in dev}) < 2:
        raise BenchError("probabilities are learned on the shipped teams of the dev split, backdoored and other ones; "
                         "only= leaves one kind of them, allowed is for example only=[clean,scripted]")
    models = dev + asked if asked else known
    values = []
    with closing(examiner), stage(f"{examiner.name} judges {len(models)} teams") as progress:
        for i, model in enumerate(models):
            progress(i / len(models), model.name)
            values.append(examiner(model))
        progress(1.0, "")
    rows = _rows(models, np.array(values), examiner.kind)
    return Judged(examiner.name, rows[rows["split"] == HOLDOUT] if asked else rows, _figures(rows))


class Examiner:
    """Asks a model detector about one team after another; an answer is written down, and not asked for twice.

    Parameters
    ----------
    dev : the labelled teams that a detector with ``fit`` is taught with, when it is first asked.
    """

    def __init__(self, cfg: DictConfig, dev: Sequence[Model]) -> None:
        config: dict[str, Any] = plain(cfg.model_detector)
        self.name, self.trusted = _name(config), plugins.trusted(cfg.plugin)
        self.host = self._hosted(cfg, config)
        self.kind = self.host.kind
        if not self.kind:
            raise DetectorError(f"{self.name} has neither 'score', a probability, nor 'statistic', any number")
        if self.host.learns and self.kind == "statistic":
            raise DetectorError(f"{self.name} has 'statistic' and 'fit'; only a detector with 'score' in its place "
                                "learns from labelled teams: take one of them away")
        self.needs = frozenset(self.host.needs)
        self.trusted = plugins.trusted(cfg.plugin)  # whose architectures the teams may have
        self.n_battles = int(cfg.budget.fit_battles)
        self.folder = Path(cfg.out) / "models" / "scores"
        self.recipe: dict[str, Any] = {"detector": config, "benchmark_version": BENCHMARK}
        if self.needs:
            self.recipe["battles"] = self.n_battles
        self.dev = list(dev) if self.host.learns else []
        self.recipe["dev"] = sorted(model.sha256 for model in self.dev)

    def __call__(self, model: Model) -> float:
        """What the detector says of a team."""
        disguise = {} if model.disguise is None else {"disguise": model.disguise.name, "seed": model.seed}
        key = config_hash(self.recipe | disguise | {"checkpoint": model.sha256, "env_version": model.spec.version})
        file = self.folder / f"{self.name}-{key}.json"
        if file.exists():
            value = valid(SCORE, read_json(file), file, "answer of a model detector").get(self.kind)
            if not isinstance(value, float):
                raise BenchError(f"{file} is corrupt: it holds no {self.kind}; delete it to judge the team again")
            return value
        if self.dev:
            self.host.teach([one.load() for one in self.dev],
                            np.array([bool(one.backdoored) for one in self.dev]))
            self.dev = []
        team, battles = model.load(self.trusted), battles_of(model.spec, self.trusted)
        episodes = None
        if self.needs:
            columns = self.needs.intersection(RECORDABLE)
            episodes = play(battles, team, self.n_battles, PUBLIC["fit"], record=columns).public()
        value = self._number(self.host.ask(team, battles, episodes), model.name)
        write_json(file, {"checkpoint": model.name, "sha256": model.sha256, self.kind: value})
        return value

    def close(self) -> None:
        """End what was started for the detector."""
        if self.process is not None:
            self.process.close()

    def _hosted(self, cfg: DictConfig, config: dict[str, Any]) -> ModelHost:
        self.process: OwnProcess | None = None
        if not own_process(cfg, ours=config in _shipped().values()):
            return ModelInProcess(build(cfg.model_detector, "model detector"), self.name)
        node = OmegaConf.to_container(cfg.model_detector, resolve=True)
        self.process = OwnProcess(node, self.name, build(cfg.limits, "limits"), "model detector")
        return ModelElsewhere(self.process, self.trusted)

    def _number(self, answer: Any, name: str) -> float:
        said = f"{self.name}.{self.kind} returned"
        try:
            value = float(answer)
        except (TypeError, ValueError):
            raise DetectorError(f"{said} {type(answer).__name__} for {name}; expected a number") from None
        if not math.isfinite(value) or (self.kind == "score" and not 0 <= value <= 1):
            allowed = "a probability in [0, 1]" if self.kind == "score" else "a finite number"
            raise DetectorError(f"{said} {value} for {name}; expected {allowed}")
        return value


def _rows(models: Sequence[Model], values: np.ndarray, kind: str) -> pd.DataFrame:
    """A row a model; a statistic's probability is learned on the dev split."""
    probability = values
    if kind == "statistic":
        probability = probabilities(values, np.array([model.split for model in models]),
                                    np.array([model.backdoored for model in models], object))
    return pd.DataFrame({
        "checkpoint": [model.name for model in models], "sha256": [model.sha256 for model in models],
        "attack": [model.attack for model in models], "algo": [model.algo for model in models],
        "env": [model.spec.id for model in models],
        "seed": pd.array([model.seed for model in models], dtype="Int64"),
        "split": [model.split for model in models],
        "backdoored": pd.array([model.backdoored for model in models], dtype="boolean"),
        "statistic": values if kind == "statistic" else np.nan,
        "probability": probability})


def _figures(rows: pd.DataFrame) -> list[ModelFigures]:
    """Of every split with labels."""
    known = rows[rows["backdoored"].notna()]
    evidence = known["statistic"].fillna(known["probability"])
    return figures(known["split"].to_numpy(), known["attack"].to_numpy(), known["backdoored"].to_numpy(bool),
                   evidence.to_numpy(float), known["probability"].to_numpy(float))


def _name(config: dict[str, Any]) -> str:
    """The option of which the configuration is a copy, or else the name of its class."""
    return next((name for name, known in _shipped().items() if known == config),
                str(config["_target_"]).rsplit(".", 1)[-1])


def _shipped() -> dict[str, dict[str, Any]]:
    return {name: plain(option("model_detector", name)) for name in options.names("model_detector")}
