"""A detector in a process of its own: it sees public arrays, and this process sees its scores.

What is promised: labels, seeds and other cells' battles are not in the detector's process, and nothing that it does to
its own process changes what is measured of another detector. What is not: that process runs with the user's rights, so
that it is no sandbox for code that means harm to the machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from typing import Any, Self

import numpy as np
from omegaconf import DictConfig, OmegaConf

from bench import plugins
from bench.contracts import NEEDS, POLICIES, Detector, Episodes, columns_of
from bench.contracts.calls import class_name
from bench.errors import BenchError
from bench.harness.build import build, is_shipped
from bench.harness.host import Host, InProcess, Score, checked, shown, usable
from bench.harness.own_process import Answer, OwnProcess
from bench.harness.wire import packed
from bench.marl.team import Team


class Elsewhere:
    """A :class:`bench.harness.host.Host` whose detector is in another process."""

    def __init__(self, process: OwnProcess) -> None:
        self.name, self._process = process.name, process

    @property
    def needs(self) -> tuple[str, ...]:
        named = self._process.about.get("needs")
        return tuple(need for need in NEEDS if isinstance(named, list) and need in named)

    def fit(self, episodes: Episodes, team: Team) -> FittedElsewhere:
        header: dict[str, Any] = {"do": "fit", "spec": episodes.spec and asdict(episodes.spec)}
        arrays = _columns(episodes, self.needs)
        if set(self.needs) & set(POLICIES):
            about, weights = packed(team)
            header["team"] = about
            arrays |= weights
        answer, _ = self._process.asked("fit", header, arrays, begins=True)
        return FittedElsewhere(self._process, answer["id"], self.needs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close()


class FittedElsewhere:
    """A :class:`bench.harness.host.Fitted` in a detector's own processes."""

    def __init__(self, process: OwnProcess, question: str, needs: Collection[str]) -> None:
        self.name, self._process, self._question, self._needs = process.name, process, question, needs

    @contextmanager
    def scorer(self) -> Iterator[Score]:
        with self._process.copy() as ask:
            yield lambda episodes: self._scores(ask, episodes)

    def _scores(self, ask: Callable[..., Answer], episodes: Episodes) -> np.ndarray:
        _, arrays = ask("score", {"do": "score"}, _columns(episodes, self._needs), 8 * episodes.alive.size)
        return checked(arrays.get("scores", np.zeros(0)), episodes, self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.until_ended(self._question)


def _columns(episodes: Episodes, needs: Collection[str]) -> dict[str, np.ndarray]:
    """The columns that a detector is shown."""
    return columns_of(shown(episodes, needs))


def hosted(cfg: DictConfig, config: dict[str, Any], detector: Detector | None) -> AbstractContextManager[Host]:
    """Who holds the configured detector, or the one handed over. ``config`` is what
    :func:`bench.harness.build.describe` makes of it.

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
