"""The training of teams: a loop for value-based ones, which learn from what they remember, and one for actors with a
critic, which learn from what they have just played."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt, TypeAdapter
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from bench.contracts import Battles, Episodes, Progress, Store
from bench.errors import fitting
from bench.marl.memory import as_tensors, below, read, written
from bench.marl.play import Player, play
from bench.marl.replay import WARM_UP, Replay, ReplayLog
from bench.marl.team import Team

if TYPE_CHECKING:
    from bench.marl.learners.actor_critic import ActorCritic, ActorSchedule
    from bench.marl.learners.q import Learning, QLearner

EVALUATION_SEED = 1_000_003  # held-out battles, the same for every team


@dataclass(frozen=True)
class Saved:
    """The plain values of a run that was written down."""

    steps: NonNegativeInt
    updates: NonNegativeInt
    seconds: NonNegativeFloat
    curve: list[dict[str, float]]
    rng: str
    player: dict[str, int | str]
    replay: list[tuple[PositiveInt, PositiveInt]] = field(default_factory=list)


_SAVED = TypeAdapter(Saved)


class Schedule(Protocol):
    """What every training has of its settings."""

    @property
    def steps(self) -> int:
        """Of the environment."""
        ...

    @property
    def learning_rate(self) -> float:
        """At the beginning; it falls to zero along a half cosine."""
        ...

    @property
    def eval_every(self) -> int:
        """Steps between two evaluations."""
        ...

    @property
    def eval_battles(self) -> int:
        """Battles of an evaluation."""
        ...


class Learner(Protocol):
    """Networks that learn from episodes."""

    updates: int  # made so far

    def team(self) -> Team:
        """The team as it is now."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Networks and moments, from which :meth:`load` goes on."""
        ...

    def load(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Take up what :meth:`state` gave after so many updates."""
        ...


class Run(ABC):
    """A training run that can be written down (:meth:`state`) and taken up again (:meth:`load`).

    A run that is taken up goes on as if nothing had been: with the battles under way, what it remembers and the random
    numbers that it had, it leaves the same team as an undisturbed one.
    """

    def __init__(self, battles: Battles, schedule: Schedule, seed: int, learner: Learner,
                 record: Sequence[str]) -> None:
        self.battles, self.schedule, self.learner = battles, schedule, learner
        self.steps = 0
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []
        self.player = Player(battles, seed * 1_000, record=record)
        self.rng = np.random.default_rng([seed, 0])

    @abstractmethod
    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields after every round what is known: steps, loss, return, win rate ...

        The keys ``win_rate`` and ``return`` are those of greedy held-out battles, from the first evaluation on.
        """

    def fit(self, store: Store, progress: Progress, log_dir: Path) -> None:
        """Train to the end, writing TensorBoard logs and, at every evaluation, the run itself; goes on where it was."""
        self._take_up(store)
        known = len(self.curve)
        with SummaryWriter(str(log_dir), purge_step=self.steps) as board:
            for row in self.run():
                for name, value in row.items():
                    board.add_scalar(name, value, self.steps)
                rate = row["steps"] / row["seconds"]
                progress(min(self.steps / self.schedule.steps, 1.0),
                         f"wins {row['win_rate']:.1%}, return {row['return']:.1f}, {rate:,.0f} steps/s")
                if len(self.curve) > known:
                    known = len(self.curve)
                    self._write_down(store)

    def _take_up(self, store: Store) -> None:
        """Go on where the store says."""
        if (saved := store.load()) is not None:
            self.load(*saved)

    def _write_down(self, store: Store) -> None:
        """Put everything into the store."""
        store.save(*self.state(), self.team())

    def _rate(self) -> float:
        """The learning rate now."""
        share = min(self.steps / self.schedule.steps, 1)
        return self.schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * share))

    def _known(self, episodes: Episodes, team: Team, figures: dict[str, float]) -> dict[str, float]:
        """What is known after a round, ``figures`` of its learning among it; evaluates the team if it is time."""
        how = self.schedule
        row = {"steps": self.steps, "seconds": self.seconds,
               "training_return": float(episodes.reward.sum(1).mean()),
               "training_win_rate": float(episodes.labels.won.mean())} | figures
        if not self.curve or self.steps - self.curve[-1]["steps"] >= how.eval_every or self.steps >= how.steps:
            self.curve.append(row | evaluate(self.battles, team, how.eval_battles))
        return row | {name: self.curve[-1][name] for name in ("win_rate", "return")}

    def team(self) -> Team:
        """The team as it is now."""
        return self.learner.team()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, plain values) from which :meth:`load` goes on."""
        playing, values = self.player.state()
        return self.learner.state() | as_tensors(playing, "player"), {
            "steps": self.steps, "updates": self.learner.updates, "seconds": self.seconds, "curve": self.curve,
            "player": values, "rng": written(self.rng)}

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Take up a run written down by :meth:`state`."""
        with fitting():
            saved = _SAVED.validate_json(json.dumps(values), strict=True)
            self.learner.load(tensors, saved.updates)
            playing = {name: value.numpy() for name, value in below(tensors, "player").items()}
            self.player.load(playing, values["player"])
            self.rng.bit_generator.state = read(values["rng"])
        self.steps, self.seconds = saved.steps, saved.seconds
        self.curve = values["curve"]  # as it was: validation makes 1.0 of 1


class Trainer(Run):
    """The training of a value-based team. What it remembers is written by :class:`ReplayLog`, beside its state."""

    learner: QLearner

    def __init__(self, battles: Battles, learning: Learning, seed: int, learner: QLearner) -> None:
        super().__init__(battles, learning, seed, learner, ("state",))
        self.learning = learning
        self.replay = Replay(learning.buffer, battles.spec.episode_limit)

    def _take_up(self, store: Store) -> None:
        super()._take_up(store)
        self._log = ReplayLog(store, self.replay)
        if (saved := store.load()) is not None:
            with fitting():
                self._log.load(saved[1]["replay"])

    def _write_down(self, store: Store) -> None:
        tensors, values = self.state()
        store.save(tensors, values | {"replay": self._log.add()}, self.team())
        store.keep_parts(self._log.parts)

    def run(self) -> Iterator[dict[str, float]]:
        """See :class:`Run`: play, remember, learn from what is remembered, evaluate now and then."""
        how = self.learning
        player, replay, rng = self.player, self.replay, self.rng
        team, loss = self.learner.team(), math.nan
        began, before = time.perf_counter(), self.seconds
        while self.steps < how.steps:
            epsilon = how.exploration(self.steps)
            episodes = player.play(team, how.episodes_per_round, epsilon=epsilon)
            replay.add(episodes)
            self.steps += int(episodes.length.sum())
            if replay.size >= WARM_UP * how.batch:
                for _ in range(how.updates_per_round):
                    loss = self.learner.update(replay.sample(how.batch, rng), self._rate())
                team = self.learner.team()
            self.seconds = before + time.perf_counter() - began
            figures = {"epsilon": epsilon} | ({} if math.isnan(loss) else {"loss": loss})
            yield self._known(episodes, team, figures)


class OnPolicyTrainer(Run):
    """The training of actors with a critic. What they learn from is what they have just played. The team is the last
    one, or (``schedule.keep``) the one that won most of the held-out battles by which it was watched, the later of
    equals."""

    learner: ActorCritic

    def __init__(self, battles: Battles, schedule: ActorSchedule, seed: int, learner: ActorCritic) -> None:
        super().__init__(battles, schedule, seed, learner, ("state", "preference", "hidden"))
        self.episodes_per_round, self.keep = schedule.episodes_per_round, schedule.keep
        self.best: Team | None = None  # of those that were evaluated

    def run(self) -> Iterator[dict[str, float]]:
        """See :class:`Run`: play, learn from it, forget it, evaluate now and then."""
        team = self.learner.team()
        began, before = time.perf_counter(), self.seconds
        while self.steps < self.schedule.steps:
            episodes = self.player.play(team, self.episodes_per_round, sampled=True)
            self.steps += int(episodes.length.sum())
            figures = self.learner.update(episodes, self._rate(), self.rng)
            team = self.learner.team()
            self.seconds = before + time.perf_counter() - began
            yield self._known(episodes, team, figures)

    def _known(self, episodes: Episodes, team: Team, figures: dict[str, float]) -> dict[str, float]:
        known = len(self.curve)
        row = super()._known(episodes, team, figures)
        wins = [point["win_rate"] for point in self.curve]
        if self.keep == "best" and len(wins) > known and wins[-1] == max(wins):
            self.best = team
        return row

    def team(self) -> Team:
        """See :class:`Run`."""
        return self.best or super().team()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """See :class:`Run`."""
        tensors, values = super().state()
        best = {} if self.best is None else self.best.tensors()
        return tensors | {f"best.{name}": value for name, value in best.items()}, values

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """See :class:`Run`."""
        super().load(tensors, values)
        if best := below(tensors, "best"):
            with fitting():
                now = self.learner.team()
                self.best = type(now).of(now.algo, now.spec, best)


def evaluate(battles: Battles, team: Team, n: int, seed: int = EVALUATION_SEED) -> dict[str, float]:
    """Greedy win rate and mean return over held-out battles."""
    episodes = play(battles, team, n, seed)
    return {"win_rate": float(episodes.labels.won.mean()), "return": float(episodes.reward.sum(1).mean())}
