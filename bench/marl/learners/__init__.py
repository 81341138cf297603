"""Learners, a file a kind, and which kinds of team there are.

A kind of team is known by its architecture, which every checkpoint names. Its class (:class:`bench.marl.team.Team`)
says how its networks are made, how they act, and who trains them on; the settings of an algorithm, in ``conf/algo``,
say who trains a new team.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench import plugins
from bench.contracts import Battles, Progress, Store
from bench.contracts.calls import Raised, ask
from bench.errors import BenchError, unknown

if TYPE_CHECKING:
    from bench.marl.team import Team

ARCHITECTURES = {  # the shipped ones
    "rnn_q": EntryPoint("rnn_q", "bench.marl.learners.q:QTeam", ""),
    "rnn_actor": EntryPoint("rnn_actor", "bench.marl.learners.actor_critic:ActorTeam", "")}
UNNAMED = "rnn_q"  # what a checkpoint holds that names no architecture: all of before there was another


def architecture(name: str, where: str = "", trusted: Collection[str] | None = None) -> type[Team]:
    """The class of the teams of an architecture: a shipped one, or an entry point of
    ``marl_backdoor_bench.architectures``.

    Parameters
    ----------
    where : "in FILE", where its name stands.
    trusted : top-level modules whose classes may be imported for the name, which a file has chosen; None: those of
        every installed package, for a name that comes from a team of this run.

    Raises BenchError for an architecture that is not installed, or of a package that is not trusted; then nothing of it
    is imported.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name].load()
    others = plugins.installed("architectures", ARCHITECTURES)  # a look at all that is installed: not for each file
    if name not in others:
        raise unknown(f"architecture {where}".strip(), name, [*ARCHITECTURES, *others])
    point = others[name]
    if trusted is not None and not plugins.belongs(plugins.target(point), frozenset(trusted)):
        raise BenchError(f"the architecture {where} is '{name}' of {plugins.package(point)}, whose code is run for a "
                         f"file only if you say that you trust it: plugin=[{point.module.partition('.')[0]}]")
    try:
        return ask(point.load)
    except Raised as error:
        raise BenchError(f"the architecture '{name}' of {plugins.package(point)} cannot be imported: {error}"
                         ) from error


def require_known(team: Team, trusted: Collection[str]) -> None:
    """Raise BenchError for a team whose checkpoint could not be read back."""
    others = plugins.installed("architectures", ARCHITECTURES)
    if team.architecture not in {*ARCHITECTURES, *others}:
        raise BenchError(f"{type(team).__name__} is of the architecture '{team.architecture}', which no package that "
                         f"is installed offers; it has to be an entry point of {plugins.PREFIX}.architectures")
    if team.algo not in team.algorithms:
        raise unknown(f"algorithm of a {type(team).__name__}", team.algo, team.algorithms)
    if architecture(team.architecture, "of this team", trusted) is not type(team):
        raise BenchError(f"{type(team).__name__} says that its architecture is '{team.architecture}', which is the "
                         "name of another class of teams; rename it, and its entry point")


class Training(Protocol):
    """The training of a team; :class:`bench.marl.train.Trainer` is one."""

    steps: int  # of the environment, made so far
    curve: list[dict[str, float]]  # a row an evaluation: "steps", "seconds" and "win_rate" among it

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
    """How an algorithm trains teams: what an option of ``algo`` makes, a file of ``conf/algo`` or an entry point of
    ``marl_backdoor_bench.algorithms``. They depend on nothing else."""

    @property
    def name(self) -> str:
        """Of the algorithm, as its teams, files and rows have it."""
        ...

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
