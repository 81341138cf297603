"""Speed of play and training beside the bare simulator."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from bench.contracts import Battles, Progress
from bench.marl.learners.q import Learning

BARE = "the bare simulator, random actions"
ROUNDS, SECONDS = 5, 1.5  # every speed is the median of so many rounds, taken in turns with the others


def speeds(battles: Battles, learning: Learning, progress: Progress) -> dict[str, float]:
    """Environment steps per second, all with the same number of battles at once in this process.

    The simulator plays alone as the environment's ``bare`` does; one without it is measured without. Play is a team in
    the loop with episodes recorded; training adds the updates.
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

    tasks: dict[str, Callable[[], int]] = {"a team in the loop": play, f"training {learning.name}": train}
    if (bare := getattr(battles, "bare", None)) is not None:
        tasks = {BARE: bare(player.slots)} | tasks
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
