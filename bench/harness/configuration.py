"""The configuration: whether it makes sense, what cell it describes."""

from __future__ import annotations

import copy
import importlib.metadata
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from bench import BENCHMARK, __version__, envs, options, plugins, siblings
from bench.artifacts.written import plain, written
from bench.build import targets
from bench.contracts import DEFENDERS, RELEASE, Detector
from bench.errors import BenchError, unknown
from bench.harness.composed import made, of_a_cell, part
from bench.harness.names import attack_recipe, given
from bench.harness.referee import digest

PACKAGES = ("torch", "jax", "jaxmarl", "numpy", "scipy", "scikit-learn", "pyod", "statsmodels", "crepes", "hydra-core",
            "pandas")
CHOSEN = ("env", "algo", "attack", "detector", "budget")  # groups whose option is always told
ISOLATIONS = (None, "process", "none")  # whether a detector has a process of its own; None: unless it is shipped


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


class Description(NamedTuple):
    """What a cell is, and what it is called."""

    config: dict[str, Any]  # everything that its result depends on
    detector: str  # in tables and files
    view: str | None  # what the detector looks at, None if that is no choice
    overrides: list[str]  # overrides of the command that makes it, default choices among them


def describe(cfg: DictConfig, detector: Detector | None = None) -> Description:
    """The cell of a configuration of :func:`bench.harness.composed.composed`, or the same with a detector handed over.

    Raises BenchError if no detector is configured.
    """
    if detector is None and OmegaConf.select(cfg, "detector._target_") is None:
        raise BenchError("no detector is configured; give detector=NAME or detector._target_=PACKAGE.CLASS")
    config = plain(cfg.cell)
    for name in envs.beside(config["env"]):  # how long an answer is waited for, say
        del config["env"][name]
    for name in ("attack", "control"):
        if config[name] is not None:
            config[name] = attack_recipe(config[name])
    if (referee := digest(cfg)) is not None:
        config["referee"] = referee
    if (clean := given(cfg)) is not None:  # by what it is, wherever it is
        config["clean"] = clean[1]
    if detector is not None:
        config["detector"] = written(detector)
    choices, overrides = dict(made(cfg).choices), of_a_cell(made(cfg).overrides)
    if detector is not None:  # it was chosen by no override
        choices |= {"detector": None, "view": None}
        overrides = [override for override in overrides if part(override) not in ("detector", "view")]
    name, view = _called(config["detector"], choices, overrides)
    typed = {override.partition("=")[0] for override in overrides}
    defaults = [f"{group}={choices[group]}" for group in CHOSEN if choices.get(group) and group not in typed]
    seed = [] if "seed" in typed else [f"seed={cfg.seed}"]
    return Description(config | {"benchmark_version": BENCHMARK}, name, view, [*defaults, *seed, *overrides])


def _called(node: dict[str, Any], choices: Mapping[str, str | None],
            overrides: Sequence[str]) -> tuple[str, str | None]:
    """(a detector's name, its view's): the options that were chosen, or OPTION_VIEW where the view is not the option's
    own. What was given other values goes by its class, a detector by that of its estimator."""
    def choice(group: str) -> str | None:
        changed = any(part(one) == group and not one.startswith(f"{group}=") for one in overrides)
        return None if changed else choices.get(group)

    option = choice("detector")
    name = option or _own(_class(node.get("estimator")) or _class(node))
    if not _class(node.get("view")):
        return name, None
    view = choice("view") or _class(node["view"])
    typed = any(part(override) == "view" for override in overrides)
    own = options.view(option) if option in options.names("detector") else None if typed else view
    return (name if option and view == own else f"{name}_{view}"), view


def _own(name: str) -> str:
    """The name of a class, in files as well; another one where it is that of a shipped detector, which it is not."""
    name = re.sub(r"[^\w-]", "_", name)
    return f"own_{name}" if name in options.names("detector") else name


def _class(node: Any) -> str:
    """The name of the class that a configuration node describes, if it does."""
    return str(node.get("_target_", "")).rsplit(".", 1)[-1] if isinstance(node, dict) else ""


def is_shipped(detector: dict[str, Any]) -> bool:
    """Whether a detector, as :func:`describe` has it, consists of classes that shipped options name, or of ours."""
    known = {siblings.recorded(name) for name in options.classes("detector", "view")}
    return all(name in known or name.startswith("detectors.") for name in targets(detector))


def own_options(group: str) -> list[str]:
    """The options of a group that are in folders which the user named (``--config-dir DIR``)."""
    if not (GlobalHydra().is_initialized() and HydraConfig.initialized()):  # called from Python: no command line
        return []
    path = [override for override in HydraConfig.get().overrides.hydra if override.startswith("hydra.searchpath")]
    found = GlobalHydra.instance().config_loader().get_group_options(group, config_name="config", overrides=path)
    offered = plugins.offered(group) if group in plugins.GROUPS else {}
    return [name for name in found if name not in offered and name not in options.names(group)]


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

    def ask(*overrides: str) -> str:
        done = subprocess.run([git, "-C", str(root), *overrides, *code], capture_output=True,  # noqa: S603
                              encoding="utf-8", errors="replace", check=False)
        return done.stdout.strip()

    revision = ask("log", "-1", "--format=%H")
    return f"{revision}-dirty" if revision and ask("status", "--porcelain") else revision or None
