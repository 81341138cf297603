"""The configuration: whether it makes sense, what of it a result depends on, and what a detector is called by it."""

from __future__ import annotations

import copy
import importlib.metadata
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench import BENCHMARK, __version__, options, plugins
from bench.artifacts.written import plain, written
from bench.build import targets
from bench.contracts import DEFENDERS, RELEASE, Detector
from bench.errors import BenchError, unknown
from bench.harness.names import given
from bench.harness.referee import digest

PACKAGES = ("torch", "jax", "jaxmarl", "numpy", "scipy", "scikit-learn", "pyod", "statsmodels", "hydra-core", "pandas")
ISOLATIONS = (None, "process", "none")  # whether a detector has a process of its own; None: unless it is shipped
# Where things go and how they are called for: not part of what a result is. The view is, as part of the detector.
PLACES = ("out", "leaderboard", "shipped", "keep_episodes", "team", "sweep", "zoo", "only", "format", "labels",
          "record", "view", "check", "cells", "show", "row", "model_detector", "isolation", "limits",
          "referee", "plugin", "holdout", "repair", "result", "jaxmarl", "race",
          "clean", "pymarl")


def check(cfg: DictConfig) -> None:
    """Raise BenchError for values of the configuration's own that make no sense."""
    for name in ("out", "leaderboard"):
        if not isinstance(cfg[name], str):
            raise BenchError(f"{name} is {cfg[name]}; a path is needed")
    if Path(cfg.leaderboard).is_dir():
        raise BenchError(f"leaderboard is {cfg.leaderboard}, a folder; a file is needed, such as "
                         f"leaderboard={Path(cfg.leaderboard) / 'leaderboard.csv'}")
    for name in ("attack", "algo", "env", "budget", "response"):
        if cfg.get(name) is None:
            raise BenchError(f"no {name} is configured; allowed: {', '.join(options.names(name))}")
    if cfg.get("view") is not None and OmegaConf.select(cfg, "detector.view") != cfg.view:
        raise BenchError("view=... is given, but this detector takes none: 'view: ${view}' is not in its configuration")
    if cfg.isolation not in ISOLATIONS:
        raise unknown("isolation", cfg.isolation, ISOLATIONS[1:])
    if cfg.defender not in DEFENDERS:
        raise unknown("defender", cfg.defender, DEFENDERS)
    if not isinstance(cfg.seed, int) or not 0 <= cfg.seed < 1_000:
        raise BenchError(f"seed is {cfg.seed}; allowed: 0 to 999")
    if cfg.after_steps is not None and (type(cfg.after_steps) is not int or cfg.after_steps < 1):
        raise BenchError(f"after_steps is {cfg.after_steps}; allowed: whole numbers from 1, or null")
    for name, value in cfg.budget.items():
        lowest = 0 if name in ("inject_steps", "imitate_steps") else 1
        if not isinstance(value, int) or value < lowest:
            raise BenchError(f"budget.{name} is {value}; allowed: whole numbers from {lowest}")


def check_places(cfg: DictConfig) -> None:
    """Raise BenchError unless files can be written where results and the leaderboard go, before anything is measured.
    Nothing is written for it."""
    for name, folder in (("out", Path(cfg.out)), ("leaderboard", Path(cfg.leaderboard).parent)):
        there = folder.absolute()
        while not os.path.lexists(there) and there != there.parent:
            there = there.parent
        if not there.is_dir():
            raise BenchError(f"{name} is {cfg[name]}, but {there} is no folder; choose another place: {name}=PATH")
        if not os.access(there, os.W_OK | os.X_OK):
            raise BenchError(f"{name} is {cfg[name]}, but {there} may not be written to; choose another place "
                             f"({name}=PATH) or change the folder's permissions")
    if os.path.exists(cfg.leaderboard) and not os.access(cfg.leaderboard, os.R_OK):
        raise BenchError(f"leaderboard is {cfg.leaderboard}, which may not be read; choose another: leaderboard=PATH")


def option(group: str, name: str) -> DictConfig:
    """A shipped detector or view as Hydra composes it: its file, and the view that the file chooses.

    Hydra itself would take .2 s for each of them, whenever a detector is to be named.
    """
    return copy.deepcopy(_option(group, name))


@cache  # all detectors' files take a tenth of a second to read
def _option(group: str, name: str) -> DictConfig:
    cfg: DictConfig = OmegaConf.create(options.text(group, name))  # type: ignore[assignment]
    for default in cfg.pop("defaults", []):
        ((key, choice),) = default.items()  # override /view@_global_.view: window
        other = key.removeprefix("override /").split("@")[0]
        cfg[other] = OmegaConf.create(options.text(other, choice))
    return cfg


def describe(cfg: DictConfig, detector: Detector | None) -> tuple[dict[str, Any], str]:
    """(everything that a result depends on, the detector's name)."""
    config = plain(cfg)
    config = {key: value for key, value in config.items() if key not in PLACES}
    # What a configuration does not use leaves no trace in its hash: results of before there was a choice still count.
    for elsewhere in ("repair_steps", "search_battles"):  # not of a run; in the attack, where that searches
        config["budget"].pop(elsewhere, None)
    if config["response"]["name"] == "none":
        del config["response"]
        config["budget"].pop("response_battles", None)
    if config["defender"] == DEFENDERS[0]:
        del config["defender"]
    if config["after_steps"] is None:
        del config["after_steps"]
    if (referee := digest(cfg)) is not None:
        config["referee"] = referee
    if (clean := given(cfg)) is not None:  # by what it is, wherever it is
        config["clean"] = clean[1]
    if detector is not None:
        config["detector"] = written(detector)
    if not isinstance(config.get("detector"), dict) or "_target_" not in config["detector"]:
        raise BenchError("no detector is configured; give detector=NAME or detector._target_=PACKAGE.CLASS")
    return config | {"benchmark_version": BENCHMARK}, _detector_name(config["detector"])


def _detector_name(detector: dict[str, Any]) -> str:
    """What a detector is called in tables and files: its option, or OPTION_VIEW if only the view is not the option's.

    A configuration of which no option has the rest goes by the class of its estimator, or by its own.
    """
    shipped = _shipped_detectors()
    for name, known in shipped.items():
        if known == detector:
            return name
    for name, added in _added("detector"):
        if added == detector:
            return name
    view, inner = detector.get("view"), detector.get("estimator")
    alike = [name for name, known in shipped.items() if "view" in known and known | {"view": view} == detector]
    name = alike[0] if alike else _own(_class(inner) or _class(detector))
    if not _class(view):
        return name
    views = [name for name in options.names("view") if plain(option("view", name)) == view]
    return f"{name}_{views[0] if views else _class(view)}"


def _own(name: str) -> str:
    """The name of a class, in files as well; another one where it is that of a shipped detector, which it is not."""
    name = re.sub(r"[^\w-]", "_", name)
    return f"own_{name}" if name in options.names("detector") else name


def is_shipped(detector: dict[str, Any]) -> bool:
    """Whether a detector, as :func:`describe` has it, consists of classes that shipped options name, or of ours."""
    known = {name for group in ("detector", "view") for option_name in options.names(group)
             for name in targets(plain(option(group, option_name)))}
    return all(name in known or name.startswith("detectors.") for name in targets(detector))


@cache  # a leaderboard asks for the names of a thousand cells
def _shipped_detectors() -> dict[str, Any]:
    return {name: plain(option("detector", name)) for name in options.names("detector")}


def _class(node: Any) -> str:
    """The name of the class that a configuration node describes, if it does."""
    return str(node.get("_target_", "")).rsplit(".", 1)[-1] if isinstance(node, dict) else ""


def _added(group: str) -> Iterator[tuple[str, Any]]:
    """The options of a group, and their values, that are not shipped: from folders of the user's own and from installed
    packages."""
    if not (GlobalHydra().is_initialized() and HydraConfig.initialized()):  # called from Python: no command line
        return
    path = [word for word in HydraConfig.get().overrides.hydra if word.startswith("hydra.searchpath")]
    loader = GlobalHydra.instance().config_loader()
    for name in loader.get_group_options(group, config_name="config", overrides=path):
        if name not in options.names(group):
            yield name, plain(compose("config", [f"{group}={name}", *path])[group])


def own_options(group: str) -> dict[str, Any]:
    """The options of a group, and their values, that are in folders which the user named (``--config-dir DIR``)."""
    offered = plugins.offered(group) if group in plugins.GROUPS else {}
    return {name: node for name, node in _added(group) if name not in offered}


def packages() -> dict[str, str]:
    """The versions of what figures depend on: this release, and what is installed."""
    return {RELEASE: __version__} | {name: importlib.metadata.version(name) for name in PACKAGES}


@cache  # what is loaded stays what it was when the process began
def git_sha() -> str | None:
    """The commit that the code comes from, with "-dirty" where files differ from it; None outside a git checkout.

    To be asked first when a process begins: files may change while it measures."""
    git, root = shutil.which("git"), Path(__file__).parents[2]
    if git is None:
        return None
    code = ["--", "bench", "attacks", "detectors", "conf"]

    def ask(*words: str) -> str:
        done = subprocess.run([git, "-C", str(root), *words, *code], capture_output=True,  # noqa: S603
                              encoding="utf-8", errors="replace", check=False)
        return done.stdout.strip()

    revision = ask("log", "-1", "--format=%H")
    return f"{revision}-dirty" if revision and ask("status", "--porcelain") else revision or None
