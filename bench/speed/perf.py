"""Speed of play and training beside the bare simulator."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.contracts import Progress
from bench.envs.smax import SmaxBattles
from bench.marl.learners.q import Learning
from bench.marl.play import SLOTS

BARE = "bare SMAX, random actions"
ROUNDS, SECONDS = 5, 1.5  # every speed is the median of so many rounds, taken in turns with the others


def speeds(battles: SmaxBattles, learning: Learning, progress: Progress) -> dict[str, float]:
    """Environment steps per second, all with the same number of battles on one core.

    Bare SMAX plays as JaxMARL's own speed script does: random available actions, compiled as one loop, with its own
    automatic reset. Play is a team in the loop with episodes recorded; training adds the updates.
    """
    trainer = learning.trainer(battles, 0)
    learner, player, replay, rng = trainer.learner, trainer.player, trainer.replay, trainer.rng

    def play() -> int:
        return int(player.play(learner.team(), learning.episodes_per_round).length.sum())

    def train() -> int:
        episodes = player.play(learner.team(), learning.episodes_per_round)
        replay.add(episodes)
        for _ in range(learning.updates_per_round):
            learner.update(replay.sample(learning.batch, rng), learning.learning_rate)
        return int(episodes.length.sum())

    tasks: dict[str, Callable[[], int]] = {
        BARE: battles.bare(SLOTS), "a team in the loop": play, f"training {learning.name}": train}
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():  # compile, fill the replay
        task()
    for turn in range(ROUNDS):
        for name, task in tasks.items():
            found[name].append(_speed(task))
        progress((turn + 1) / ROUNDS, "")
    return {name: statistics.median(values) for name, values in found.items()}


def _speed(task: Callable[[], int]) -> float:
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        steps += task()
    return steps / (time.perf_counter() - began)
