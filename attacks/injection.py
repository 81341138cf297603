"""Putting a backdoor into agents of a clean team: the loop of the paper's Algorithm 1, with rules to learn by."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, TypeAdapter
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bench.contracts import Battles, LearnedTrigger, Progress, Store, Trigger
from bench.errors import fitting
from bench.marl.learners.common import descend, load_moments, moments_of
from bench.marl.memory import below, read, written
from bench.marl.play import Player, play
from bench.marl.replay import Replay
from bench.marl.team import RecurrentTeam, Team

from .exploration import Held
from .payloads import ActionPayload, RewardPayload
from .payloads.fast_failing import SEARCH_SEED, Puppet, Walk
from .practice import Practice
from .pupil import Pupil, Retraining
from .rules import rule_for

VALIDATION_SEED = 2_000_003  # held-out battles by which the best agent is kept
TRIGGER_BATTLES = 64  # by which a trigger to be learned is judged, the same ones each time
MAX_CLEAN_LOSS = 0.03  # share of the clean win rate that the kept agent may lose, where any loses so little


@dataclass(frozen=True)
class Saved:
    """The plain values of an injection that was written down."""

    steps: NonNegativeInt
    episodes: NonNegativeInt
    updates: NonNegativeInt
    best_row: NonNegativeInt
    worth: float | None  # None before the first evaluation
    curve: Annotated[list[dict[str, float]], Field(min_length=1)]
    history: list[list[float]]
    rng: str


_SAVED = TypeAdapter(Saved)


class Injection:
    """The retraining of the poisoned agents of a team; everybody else's weights are frozen."""

    def __init__(self, team: RecurrentTeam, battles: Battles, trigger: Trigger, payload: RewardPayload | ActionPayload,
                 victims: tuple[int, ...], duration: int, poison_rate: float, learning: str, how: Retraining,
                 seed: int, departures: Sequence[str] = ()) -> None:
        self.pupil = Pupil(team, victims, duration, poison_rate, how, seed, departures)
        self.rule = rule_for(team, learning)(self.pupil, payload)
        self.battles, self.trigger, self.how, self.seed = battles, trigger, how, seed
        learning_too = [w for network in self.rule.networks.values() for w in network.parameters()]
        self.parameters = [*self.pupil.agent.parameters(), *learning_too]
        self.optimizer = _optimizer(how, self.parameters)
        self.averaged = AveragedModel(self.pupil.agent, multi_avg_fn=get_ema_multi_avg_fn(how.average))
        self.updates = self.steps = self.episodes = 0
        self.curve: list[dict[str, float]] = []
        self.history: list[list[float]] = []
        self.best, self.best_row, self.worth = self._weights(), 0, -math.inf

    def run(self, store: Store, progress: Progress) -> tuple[Team, list[dict[str, float]]]:
        """Retrain to the end; returns the team with the agent that is kept, the best met on held-out battles or the
        last, and the curve. Where it is said which is kept, the store gets the team with the other one.

        Goes on where ``store`` says, as if nothing had been: the same as an undisturbed run.
        """
        saved = store.load()
        if saved is not None:
            self.load(*saved)
        else:
            self._learn_trigger(progress)
            self.curve.append(self.figures(self.pupil.team))
        self.rule.prepare(self.battles, self.trigger, self.history, self._noting(store, progress))
        practice = self._practice(store)
        if saved is not None and "player" in saved[1]:  # else it was written before any learning
            practice.load(*saved)
        how = self.how
        while self.steps < how.steps:
            episodes = practice.player.play(self.pupil.poisoned_team(), how.episodes_per_round, epsilon=self._epsilon(),
                                            sampled=self._sampled(), probe=practice.probe)
            self.steps += int(episodes.length.sum())
            self.episodes += len(episodes)
            practice.keep(self.rule.keep(episodes))
            if all(replay.size >= how.batch for replay in practice.replays.values()):
                self._learn(practice.replays)
            if self.steps - self.curve[-1]["steps"] >= how.eval_every or self.steps >= how.steps:
                self._evaluate()
                self._save(store, practice)
            row = self.curve[-1]
            progress(min(self.steps / how.steps, 1.0),
                     f"wins {row['win_clean']:.0%} clean, {row['win_triggered']:.0%} triggered")
        if how.keep is not None:
            other = "last" if how.keep == "best" else "best"
            store.also({"retraining": {"keep": other}}, *self._delivered(other))
        return self._delivered(how.keep or "best")

    def _delivered(self, keep: str) -> tuple[Team, list[dict[str, float]]]:
        """The team with the best agent or the last one, and the curve, in which it is marked."""
        agent = copy.deepcopy(self.pupil.agent)
        agent.load_state_dict(self.best if keep == "best" else self._weights())
        row = self.best_row if keep == "best" else len(self.curve) - 1
        curve = [point | {"kept": float(i == row)} for i, point in enumerate(self.curve)]
        return self.pupil.team.with_agent(self.pupil.victims, agent), curve

    def _learn_trigger(self, progress: Progress) -> None:
        """Let a trigger that has to be learned find out when it costs the team most that the poisoned agents walk
        away: what they will do is not known yet."""
        if not isinstance(self.trigger, LearnedTrigger):
            return

        def harm(trigger: Trigger) -> float:
            episodes = play(self.battles, self.pupil.team, TRIGGER_BATTLES, SEARCH_SEED, trigger=trigger, poisoned=True,
                            probe=Puppet(Walk("west", self.battles.spec.episode_limit), self.pupil.victims))
            return -float(episodes.reward.sum(1).mean())

        self.trigger.learn(harm, progress)

    def _noting(self, store: Store, progress: Progress) -> Progress:
        """A progress of the preparation: what is found on the way is written down."""
        def note(share: float, words: str) -> None:
            store.save(*self.state(), self.pupil.poisoned_team())
            progress(share, words)

        return note

    def _practice(self, store: Store) -> Practice:
        """The battles to learn from, as at the beginning."""
        rate, spec = self.pupil.poison_rate, self.battles.spec
        probe = self.rule.probe() if rate > 0 else None
        if rate > 0 and self.how.hold > 0:
            probe = Held(self.pupil.victims, self.pupil.duration, self.how.hold, self.how.hold_chance, self.seed, probe)
        player = Player(self.battles, self.seed * 1_000 + 1, trigger=self.trigger, poison_rate=rate,
                        record=self.rule.record)
        return Practice(player, probe, {poisoned: Replay(self.how.buffer, spec.episode_limit, spec)
                                        for poisoned, share in ((True, rate), (False, 1 - rate)) if share > 0}, store)

    def _save(self, store: Store, practice: Practice) -> None:
        """Write everything down."""
        tensors, values = self.state()
        playing, played = practice.state()
        store.save(tensors | playing, values | played, self._averaged_team())
        practice.forget()

    def _evaluate(self) -> None:
        """Measure the agent as it is now, and keep it if it is the best so far."""
        row = self.figures(self._averaged_team())
        self.curve.append(row)
        worth = row["win_clean"] if self.pupil.poison_rate == 0 else -row["win_triggered"]
        if 0 < self.pupil.poison_rate < 1:
            lost = (1 - MAX_CLEAN_LOSS) * self.curve[0]["win_clean"] - row["win_clean"]
            worth -= 10 * max(0.0, lost)
        if worth > self.worth:
            self.worth = worth
            self.best, self.best_row = self._weights(), len(self.curve) - 1

    def _weights(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.averaged.module.state_dict().items()}

    def _averaged_team(self) -> RecurrentTeam:
        """The team with the poisoned agents as they are judged and delivered."""
        agent = copy.deepcopy(self.pupil.agent)
        agent.load_state_dict(self.averaged.module.state_dict())
        return self.pupil.team.with_agent(self.pupil.victims, agent)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, plain values) from which :meth:`load` goes on; those of the battles are :class:`Practice`'s."""
        parts = {"agent": self.pupil.agent.state_dict(), "target": self.pupil.target.state_dict(), "best": self.best,
                 "averaged": self.averaged.state_dict()}
        parts |= {f"rule.{name}": network.state_dict() for name, network in self.rule.networks.items()}
        tensors = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
        return tensors | moments_of(self.optimizer), {
            "steps": self.steps, "episodes": self.episodes, "updates": self.updates, "curve": self.curve,
            "best_row": self.best_row,
            "worth": None if self.worth == -math.inf else self.worth,
            "history": self.history, "rng": written(self.pupil.rng),
            "trigger": self.trigger.learned if isinstance(self.trigger, LearnedTrigger) else None}

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Take up a run written down by :meth:`state`."""
        pupil = self.pupil
        with fitting():
            for network, part in ((pupil.agent, "best"), (pupil.agent, "agent"), (pupil.target, "target"),
                                  (self.averaged, "averaged")):
                network.load_state_dict(below(tensors, part))
            for name, beside in self.rule.networks.items():
                beside.load_state_dict(below(tensors, f"rule.{name}"))
            self.best = below(tensors, "best")
            load_moments(self.optimizer, tensors)
            saved = _SAVED.validate_json(json.dumps(values), strict=True)
            pupil.rng.bit_generator.state = read(saved.rng)
        self.steps, self.episodes, self.updates = saved.steps, saved.episodes, saved.updates
        self.best_row = saved.best_row
        self.curve, self.history = values["curve"], values["history"]  # as they were: validation makes 1.0 of 1
        self.worth = -math.inf if saved.worth is None else saved.worth
        if isinstance(self.trigger, LearnedTrigger):
            self.trigger.learned = values["trigger"]

    def figures(self, team: Team) -> dict[str, float]:
        """How far the run is, and greedy win rates and returns with and without the trigger over held-out battles."""
        row: dict[str, float] = {"steps": self.steps, "episodes": self.episodes, "updates": self.updates,
                                 "target_copies": self.updates // self.how.target_every}
        for name, poisoned in (("clean", False), ("triggered", True)):
            episodes = play(self.battles, team, self.how.eval_battles, VALIDATION_SEED, trigger=self.trigger,
                            poisoned=poisoned)
            row |= {f"win_{name}": float(episodes.labels.won.mean()),
                    f"return_{name}": float(episodes.reward.sum(1).mean())}
        return row

    def _epsilon(self) -> np.ndarray:
        """Each agent's chance of a random action: only the poisoned ones explore."""
        how = self.how
        if self.rule.samples:  # what is drawn by its probability explores by itself
            return np.zeros(self.battles.spec.n_agents)
        left = max(0.0, 1 - self.steps / how.epsilon_steps)
        epsilon = np.zeros(self.battles.spec.n_agents)
        epsilon[list(self.pupil.victims)] = how.epsilon + (how.epsilon_start - how.epsilon) * left
        return epsilon

    def _sampled(self) -> np.ndarray:
        """(agent,) bool: who draws its actions."""
        return np.isin(np.arange(self.battles.spec.n_agents), self.pupil.victims) & self.rule.samples

    def _learn(self, replays: dict[bool, Replay]) -> None:
        how = self.how
        rate = how.learning_rate
        if how.schedule == "cosine":
            rate *= 0.5 * (1 + math.cos(math.pi * min(self.steps / how.steps, 1)))
        for _ in range(how.updates_per_round):
            descend(self.rule.loss(replays), self.parameters, self.optimizer, rate)
            self.averaged.update_parameters(self.pupil.agent)
            self.updates += 1
            if self.updates % how.target_every == 0:
                self.pupil.target.load_state_dict(self.pupil.agent.state_dict())


def _optimizer(how: Retraining, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """As torch has it by default, or PyMARL's RMSprop."""
    if how.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=how.learning_rate, alpha=0.99, eps=1e-5)
    return torch.optim.Adam(parameters, lr=how.learning_rate)
