"""Learners, a file a kind, and which kinds of team there are.

A kind of team is known by its architecture, which every checkpoint names. Its class (:class:`bench.marl.team.Team`)
says how its networks are made, how they act, and who trains them on; the settings of an algorithm, in ``conf/algo``,
say who trains a new team.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.contracts import Battles, Progress, Store
from bench.errors import unknown

if TYPE_CHECKING:
    from bench.marl.team import Team

GROUP = "marl_backdoor_bench.architectures"
ARCHITECTURES = {point.name: point for point in (EntryPoint("rnn_q", "bench.marl.learners.q:QTeam", GROUP),)}
UNNAMED = "rnn_q"  # what a checkpoint holds that names no architecture: all of before there was another


def architecture(name: str, where: str = "") -> type[Team]:
    """The class of the teams of an architecture. Raises BenchError for one that is not installed, and says ``where``
    ("in FILE") its name stands."""
    if name not in ARCHITECTURES:
        raise unknown(f"architecture {where}".strip(), name, ARCHITECTURES)
    return ARCHITECTURES[name].load()


class Training(Protocol):
    """The training of a team; :class:`bench.marl.train.Trainer` is one."""

    steps: int  # of the environment, made so far
    curve: list[dict[str, float]]  # a row an evaluation

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields now and then what is known, ``training_win_rate`` among it."""
        ...

    def fit(self, store: Store, progress: Progress, log_dir: Path) -> None:
        """Train to the end, with logs for TensorBoard; goes on where ``store`` says, as if nothing had been."""
        ...

    def team(self) -> Team:
        """The team as it is now."""
        ...


class Settings(Protocol):
    """How an algorithm trains teams: what a file of ``conf/algo`` makes. They depend on nothing else."""

    @property
    def eval_battles(self) -> int:
        """Battles of an evaluation."""
        ...

    @property
    def heavy(self) -> tuple[str, ...]:
        """The values of the configuration that make a training need much memory."""
        ...

    def held(self, length: float, under_way: int) -> float:
        """Steps in memory at once where battles last ``length``, so many of them ``under_way``."""
        ...

    def trainer(self, battles: Battles, seed: int) -> Training:
        """The training of a new team."""
        ...
