"""Training a clean team: play, remember, learn, evaluate now and then."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from bench.contracts import Battles, Progress, Store
from bench.marl.learner import WARM_UP, Learning, QLearner, adam_tensors, load_adam
from bench.marl.play import Player, play
from bench.marl.replay import Replay
from bench.marl.team import Team

EVALUATION_SEED = 1_000_003  # held-out battles, the same for every team


class Trainer:
    """A training run that can be written down (:meth:`state`) and taken up again (:meth:`load`).

    The replay is not written: after a resume it fills up anew with the present policy before learning goes on.
    """

    def __init__(self, battles: Battles, learning: Learning, seed: int,
                 learner: QLearner | None = None) -> None:
        self.battles, self.learning, self.seed = battles, learning, seed
        self.learner = QLearner(learning, battles.spec, seed) if learner is None else learner
        self.steps = self.rounds = 0
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []

    def fit(self, store: Store, progress: Progress, log_dir: Path) -> None:
        """Train to the end, writing TensorBoard logs and, at every evaluation, the run itself; goes on where it was."""
        if (saved := store.load()) is not None:
            self.load(*saved)
        written = len(self.curve)
        with SummaryWriter(str(log_dir), purge_step=self.steps) as log:
            try:
                for row in self.run():
                    for name, value in row.items():
                        log.add_scalar(name, value, self.steps)
                    rate = row["steps"] / row["seconds"]
                    progress(min(self.steps / self.learning.steps, 1.0),
                             f"wins {row['win_rate']:.1%}, return {row['return']:.1f}, {rate:,.0f} steps/s")
                    if len(self.curve) > written:
                        written = len(self.curve)
                        store.save(*self.state(), self.team())
            except KeyboardInterrupt:
                store.save(*self.state(), self.team())
                raise

    def run(self) -> Iterator[dict[str, float]]:
        """Train to the end; yields after every round what is known: steps, epsilon, loss, return, win rate ...

        The keys ``win_rate`` and ``return`` are those of greedy held-out battles, from the first evaluation on.
        """
        how = self.learning
        rng = np.random.default_rng([self.seed, self.rounds])
        player = Player(self.battles, self.seed * 1_000 + self.rounds % 1_000, record=("state",))
        replay = Replay(how.buffer, self.battles.spec.episode_limit)
        team, loss = self.learner.team(), math.nan
        began, before = time.perf_counter(), self.seconds
        while self.steps < how.steps:
            epsilon = how.exploration(self.steps)
            episodes = player.play(team, how.episodes_per_round, epsilon=epsilon)
            replay.add(episodes)
            self.steps += int(episodes.length.sum())
            self.rounds += 1
            if replay.size >= WARM_UP * how.batch:
                rate = how.learning_rate * 0.5 * (1 + math.cos(math.pi * min(self.steps / how.steps, 1)))
                for _ in range(how.updates_per_round):
                    loss = self.learner.update(replay.sample(how.batch, rng), rate)
                team = self.learner.team()
            self.seconds = before + time.perf_counter() - began
            row = {"steps": self.steps, "seconds": self.seconds, "epsilon": epsilon,
                   "training_return": float(episodes.reward.sum(1).mean()),
                   "training_win_rate": float(episodes.labels.won.mean())}
            if not math.isnan(loss):
                row["loss"] = loss
            if not self.curve or self.steps - self.curve[-1]["steps"] >= how.eval_every or self.steps >= how.steps:
                self.curve.append(row | evaluate(self.battles, team, how.eval_battles))
            yield row | {name: self.curve[-1][name] for name in ("win_rate", "return")}

    def team(self) -> Team:
        """The team as it is now."""
        return self.learner.team()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, plain values) from which :meth:`load` goes on."""
        learner = self.learner
        tensors = {f"{part}.{name}": value for part in ("agent", "mixer", "target_agent", "target_mixer")
                   for name, value in getattr(learner, part).state_dict().items()}
        return tensors | adam_tensors(learner.optimizer), {
            "steps": self.steps, "rounds": self.rounds, "updates": learner.updates,
                         "seconds": self.seconds, "curve": self.curve}

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Take up a run written down by :meth:`state`."""
        learner = self.learner
        for part in ("agent", "mixer", "target_agent", "target_mixer"):
            prefix = f"{part}."
            getattr(learner, part).load_state_dict(
                {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)})
        load_adam(learner.optimizer, tensors)
        self.steps, self.rounds, learner.updates = values["steps"], values["rounds"], values["updates"]
        self.seconds, self.curve = values["seconds"], values["curve"]


def evaluate(battles: Battles, team: Team, n: int, seed: int = EVALUATION_SEED) -> dict[str, float]:
    """Greedy win rate and mean return over held-out battles."""
    episodes = play(battles, team, n, seed)
    return {"win_rate": float(episodes.labels.won.mean()), "return": float(episodes.reward.sum(1).mean())}
