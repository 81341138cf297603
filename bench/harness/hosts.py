"""Who holds the configured detector: this process, or one of the detector's own."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from omegaconf import DictConfig, OmegaConf

from bench import plugins
from bench.build import build
from bench.contracts import Detector
from bench.contracts.calls import class_name
from bench.errors import BenchError
from bench.harness.configuration import is_shipped
from bench.isolation.elsewhere import Elsewhere
from bench.isolation.own_process import OwnProcess
from bench.protocol.host import Host, InProcess, usable


def hosted(cfg: DictConfig, config: dict[str, Any], detector: Detector | None) -> AbstractContextManager[Host]:
    """Who holds the configured detector, or the one handed over. ``config`` is what
    :func:`bench.harness.configuration.describe` makes of it.

    Raises BenchError where a system has no such processes, or the detector cannot be made.
    """
    if not own_process(cfg, ours=detector is None and is_shipped(config["detector"])):
        made = build(cfg.detector, "detector") if detector is None else detector
        usable(made)
        return nullcontext(InProcess(made))
    name = class_name(detector) if detector is not None else str(cfg.detector["_target_"]).rpartition(".")[2]
    node = OmegaConf.to_container(cfg.detector, resolve=True) if detector is None else detector
    process = OwnProcess(node, name, build(cfg.limits, "limits"), packages=plugins.trusted(cfg.plugin))
    process.start()  # it has its imports to do, as this process has
    return Elsewhere(process)


def own_process(cfg: DictConfig, ours: bool) -> bool:
    """Whether a detector has a process of its own: where ``cfg.isolation`` says so, and by default if it is not ours.

    Raises BenchError where a system has no such processes.
    """
    forks = hasattr(os, "fork")
    if cfg.isolation == "process" and not forks:
        raise BenchError("isolation=process needs a system that forks, such as Linux or macOS; allowed here: "
                         "isolation=none")
    return cfg.isolation == "process" or (cfg.isolation is None and not ours and forks)
