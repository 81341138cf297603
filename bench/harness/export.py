"""The protocol's battles as files, for those who work offline."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig, ListConfig

from bench import BENCHMARK
from bench.artifacts.episodes import FORMATS, MANIFEST, write_record
from bench.artifacts.files import locked, sha256, unwritable, write_atomic, write_json
from bench.artifacts.temporary import temporary
from bench.build import build
from bench.contracts import RECORDABLE, Attack, Battles, Episodes
from bench.contracts.columns import present
from bench.errors import BenchError, unknown
from bench.harness import memory
from bench.harness.configuration import check, check_places, git_sha, packages
from bench.harness.measure import sizes
from bench.harness.names import backdoored_name
from bench.harness.referee import digest, seeds
from bench.harness.teams import Say, Stage, backdoored_team
from bench.protocol.seeds import WATCHED
from bench.protocol.watch import watch

METADATA = "croissant.json"
Card = Callable[[dict[str, Any], dict[str, Episodes], str, bool], str]
Metadata = Callable[[dict[str, Any], dict[str, Episodes], dict[str, str], str, str], dict[str, Any]]


def export(cfg: DictConfig, card: Card, metadata: Metadata, stage: Stage, say: Say) -> Path:
    """Write the battles of the configured attack's team below ``out``/export and return their folder.

    A file each for "fit", "calibration" and "test", the last with the battles without the trigger and with it,
    shuffled: neither their order nor their padding says which are which. With ``labels=true`` also a file of labels for
    each, which does; with ``record=[hidden,preference]`` the episodes have these columns, too. A folder that is there
    already is replaced as a whole. ``card`` writes the data card, README.md: of what the files are about, their
    episodes, the files' format, and whether there are labels; ``metadata`` what machines read, croissant.json: of the
    same, the files' hashes and the date.

    Raises BenchError for an unknown format or column, or if the place cannot be written; then nothing is left behind.
    """
    check(cfg)
    check_places(cfg)
    if cfg.format not in FORMATS:
        raise unknown("format", cfg.format, FORMATS)
    if not isinstance(cfg.labels, bool):
        raise BenchError(f"labels is {cfg.labels}; allowed: true, false")
    record = _columns(cfg.record)
    numbers, referee = seeds(cfg), digest(cfg)
    battles: Battles = build(cfg.env, "environment")
    attack: Attack = build(cfg.attack, "attack")
    memory.require(memory.watching(battles.spec, memory.battles_of(cfg), record), say)
    team = backdoored_team(cfg, cfg.attack, battles, stage, say)
    attack = team.attack or attack
    with stage("watching the team") as progress:
        watched = watch(battles, team.team, attack.trigger, sizes(cfg), numbers, progress, record)
    parts = {"fit": watched.fit, "calibration": watched.calibration,
             "test": shuffled(watched.normal, watched.triggered, numbers["shuffle"])}
    name = backdoored_name(cfg, cfg.attack, battles.spec)
    about: dict[str, Any] = {
        "name": name, "benchmark_version": BENCHMARK, "env": battles.spec.id, "env_version": battles.spec.version,
        "algo": team.team.algo, "attack": attack.name, "seed": int(cfg.seed), "checkpoint": team.name,
        "checkpoint_sha256": team.sha256, "packages": packages(), "git_sha": git_sha()}
    about |= {"referee": referee} if referee else {
        "battle_seeds": {name: numbers[name] for name in WATCHED}, "shuffle_seed": numbers["shuffle"]}
    if cfg.labels:
        about |= {"trigger_length": attack.trigger.length, "attack_period": attack.duration}
    folder = Path(cfg.out) / "export" / name
    with locked(folder), stage(f"writing {folder}"):
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        _write(folder, parts, about, card(about, parts, cfg.format, cfg.labels),
               lambda files: metadata(about, parts, files, cfg.format, today), cfg.format, cfg.labels)
    return folder


def _columns(named: Any) -> list[str]:
    """The columns that ``record`` names: one, or a list of them."""
    columns = [present(column, "record") if isinstance(column, str) else column for column in
               (list(named) if isinstance(named, ListConfig) else [] if named is None else [named])]
    for column in columns:
        if column not in RECORDABLE:
            raise unknown("column of record", column, RECORDABLE)
    return columns


def shuffled(one: Episodes, other: Episodes, seed: int) -> Episodes:
    """The episodes of two records in random order, padded to the same length, labels included."""
    columns = _stacked(one, other)
    both = replace(one, **columns, hidden_labels=replace(one.labels, **_stacked(one.labels, other.labels)))
    return both[np.random.default_rng(seed).permutation(len(both))]


def _stacked(one: Any, other: Any) -> dict[str, Any]:
    """The columns of two records of arrays, one below the other; later steps that one of them lacks are zeros."""
    columns = {}
    for name, column in vars(one).items():
        if isinstance(column, np.ndarray):
            pair = [column, getattr(other, name)]
            if column.ndim > 1:
                steps = max(part.shape[1] for part in pair)
                pair = [np.pad(part, [(0, 0), (0, steps - part.shape[1]), *[(0, 0)] * (part.ndim - 2)])
                        for part in pair]
            columns[name] = np.concatenate(pair)
    return columns


def _write(folder: Path, parts: dict[str, Episodes], about: dict[str, Any], card: str,
           metadata: Callable[[dict[str, str]], dict[str, Any]], ending: str, labels: bool) -> None:
    """Make the folder beside its place and put it there when it is whole."""
    try:
        with temporary(folder, folder=True) as new, temporary(folder, folder=True) as old:
            for name, episodes in parts.items():
                write_record(new / f"{name}.{ending}", episodes)
                if labels:
                    write_record(new / f"{name}-labels.{ending}", episodes.labels)
            write_atomic(new / "README.md", card.encode())
            digests = {file.name: sha256(file.read_bytes()) for file in sorted(new.iterdir())}
            write_json(new / METADATA, metadata(digests))
            write_json(new / MANIFEST, about | {"files": digests | {METADATA: sha256((new / METADATA).read_bytes())}})
            new.chmod(0o755)
            if folder.exists():
                os.replace(folder, old / folder.name)  # whoever reads it finds a whole folder, or none
            os.replace(new, folder)
    except OSError as error:
        raise unwritable(folder, error) from None
