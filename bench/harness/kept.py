"""Compositions of the shipped configuration that are asked for again and again, kept beside what JAX has compiled.

Hydra takes a tenth of a second and more for each, and the zoo is of many. A composition depends on the files of
``conf``, on Hydra and on its overrides, and is found by the hash of all of them; where the search path has other
folders (``--config-dir``), and where nothing can be kept, Hydra composes.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import hydra
import omegaconf
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from bench import options
from bench.artifacts.files import config_hash, write_atomic
from bench.errors import BenchError

PLACES = ("pkg://hydra.conf", f"pkg://{options.FOLDER}", "structured://")  # where options come from, but for a user's


def composition(what: Sequence[str], compose: Callable[[], DictConfig]) -> DictConfig:
    """What ``compose`` gives, which depends on ``what`` and the shipped configuration alone, without interpolations
    being resolved."""
    if _elsewhere() or (place := folder()) is None:
        return compose()
    file = place / f"{config_hash([_shipped(), *what])}.json"
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            found = OmegaConf.create(content)
            OmegaConf.set_struct(found, True)  # as Hydra's are
            return found
    found = compose()
    with contextlib.suppress(BenchError, TypeError):  # no place, or a value that JSON has not
        write_atomic(file, json.dumps(OmegaConf.to_container(found, resolve=False)).encode())
    return found


def folder() -> Path | None:
    """Where compositions are kept; None for a user without a home."""
    try:
        return Path.home() / ".cache" / "marl-backdoor-bench" / "conf"
    except RuntimeError:
        return None


def _elsewhere() -> bool:
    """Whether options may come from other places than the package."""
    path = GlobalHydra.instance().config_loader().get_search_path().get_path()
    return any(place.path not in PLACES for place in path)


@cache
def _shipped() -> str:
    """The hash of Hydra's version and of all files of the configuration."""
    digest = hashlib.sha256(f"{hydra.__version__} {omegaconf.__version__}".encode())
    for name, file in sorted(_files(resources.files(options.FOLDER))):
        digest.update(f"{name} ".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files(place: Traversable, above: str = "") -> list[tuple[str, Traversable]]:
    """The YAML files below a place, by their names from there."""
    found = []
    for entry in place.iterdir():
        name = f"{above}{entry.name}"
        if entry.is_dir():
            found += _files(entry, f"{name}/")
        elif name.endswith(".yaml"):
            found.append((name, entry))
    return found
