"""A learner of a third party's: agents whose preferences are linear, trained by climbing."""

import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from bench.errors import fitting
from bench.marl.team import Team
from bench.marl.train import evaluate


@dataclass
class LinearTeam(Team):
    """What an agent prefers is linear in what it sees; nothing is remembered. ``weights`` holds "preference" (agent,
    feature, action)."""

    architecture = "linear"
    algorithms = ("climbing",)
    columns = ("preference",)

    @classmethod
    def shapes(cls, algo, spec):
        return {"agent.preference": (spec.n_agents, spec.observation_size, spec.n_actions)}

    @classmethod
    def of(cls, algo, spec, tensors):
        return cls(algo, spec, {"preference": tensors["agent.preference"]})

    def start(self, n):
        return torch.zeros(self.spec.n_agents, n, 0)

    def act(self, observation, last_action, memory):
        return torch.einsum("eaf,afc->eac", torch.tensor(observation), self.weights["preference"]), memory

    def recorded(self, preferences, memory):
        return {"preference": preferences.numpy()}

    def learn_on(self, battles, seed, *, steps, **changes):
        return Climb(battles, replace(Climbing(), steps=steps), seed, self, shared=False)


@dataclass(frozen=True)
class Climbing:
    """Each round tries other weights in ``episodes`` episodes, and keeps them if they earn more; the agents share
    them."""

    steps: int = 4_000  # of the environment
    episodes: int = 32
    spread: float = 0.3  # of what is tried, around what is kept
    eval_battles: int = 64
    name = "climbing"
    heavy = ("algo.eval_battles",)

    def held(self, length, under_way):
        return (under_way + self.eval_battles) * length

    def trainer(self, battles, seed):
        return Climb(battles, self, seed, LinearTeam.of(self.name, battles.spec, {
            name: torch.zeros(shape) for name, shape in LinearTeam.shapes(self.name, battles.spec).items()}))


class Climb:
    """A training; see :class:`bench.marl.learners.Training`. A round depends on its number alone."""

    def __init__(self, battles, how, seed, team, shared=True):
        self.battles, self.how, self.seed, self.shared = battles, how, seed, shared
        self.kept, self.best, self.seconds = team, -np.inf, 0.0
        self.steps, self.curve = 0, []

    def run(self):
        while self.steps < self.how.steps:
            began = time.perf_counter()
            tried, rng = self._tried(), np.random.default_rng([self.seed, self.steps])
            found = evaluate(self.battles, tried, self.how.episodes, int(rng.integers(2**31)))
            if found["return"] > self.best:
                self.kept, self.best = tried, found["return"]
            self.steps += self.how.episodes * self.battles.spec.episode_limit // 2  # of the mean length
            self.seconds += time.perf_counter() - began
            row = {"steps": self.steps, "seconds": self.seconds, "training_win_rate": found["win_rate"]}
            self.curve.append(row | evaluate(self.battles, self.kept, self.how.eval_battles))
            yield self.curve[-1]

    def fit(self, store, progress, log_dir):
        if (saved := store.load()) is not None:
            with fitting():
                tensors, values = saved
                self.kept = LinearTeam.of(self.how.name, self.battles.spec, tensors)
                self.best, self.steps, self.seconds = values["best"], values["steps"], values["seconds"]
                self.curve = values["curve"]
        for row in self.run():
            store.save(self.kept.tensors(), {"best": self.best, "steps": self.steps, "seconds": self.seconds,
                                             "curve": self.curve}, self.kept)
            progress(min(self.steps / self.how.steps, 1.0), f"wins {row['win_rate']:.0%}")

    def team(self):
        return self.kept

    def _tried(self):
        """What is kept, and some noise; of the first agent for all of them, where they share their weights."""
        rng, weights = np.random.default_rng([self.seed, self.steps, 1]), self.kept.weights["preference"]
        noise = torch.tensor(rng.normal(size=weights.shape) * self.how.spread, dtype=torch.float32)
        return self.kept.with_weights({"preference": weights + (noise[:1] if self.shared else noise)})
