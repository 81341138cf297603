"""Putting a backdoor into one agent of a clean team: Algorithm 1 of the paper, with two rules to learn by."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor

from attacks.payloads.reward import HackedReward, UnilateralInfluence
from bench.contracts import Battles, Episodes, Progress, Store, Trigger
from bench.errors import BenchError
from bench.marl.learner import Batch, adam_tensors, descend, load_adam, td_lambda_targets, to_batch
from bench.marl.networks import RNNAgent
from bench.marl.play import Player, play
from bench.marl.replay import Replay, join
from bench.marl.team import UNAVAILABLE, Team

VALIDATION_SEED = 2_000_003  # held-out battles by which the best agent is kept
MAX_CLEAN_LOSS = 0.03  # share of the clean win rate that the kept agent may lose, where any loses so little


@pydantic.dataclasses.dataclass(frozen=True)
class Retraining:
    """How the poisoned agent is retrained; [S] is said in the paper, [G] its probable value, the rest is ours."""

    steps: NonNegativeInt = 600_000  # environment steps; 0 leaves the team as it is
    gamma: Annotated[float, Field(ge=0, le=1)] = 0.99  # [G]
    td_lambda: Annotated[float, Field(ge=0, le=1)] = 1.0
    learning_rate: PositiveFloat = 1e-3  # [G] 5e-4; falls to zero along a half cosine
    epsilon_start: Annotated[float, Field(ge=0, le=1)] = 0.5
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.05  # [G]
    epsilon_steps: PositiveInt = 50_000  # [G]
    buffer: PositiveInt = 5_000  # [S] episodes, one such buffer of clean and one of poisoned ones
    batch: PositiveInt = 32  # [S] episodes
    target_every: PositiveInt = 200  # [S] updates
    episodes_per_round: PositiveInt = 32
    updates_per_round: PositiveInt = 12
    eval_every: PositiveInt = 40_000  # steps
    eval_battles: PositiveInt = 512

    def __post_init__(self) -> None:
        if self.buffer < self.batch:
            raise BenchError(f"buffer is {self.buffer}; it has to hold a batch of {self.batch}")


class Injection:
    """The retraining of one agent of a team, everybody else's weights frozen."""

    def __init__(self, team: Team, battles: Battles, trigger: Trigger, payload: HackedReward, victim: int,
                 duration: int, poison_rate: float, learning: str, how: Retraining, seed: int) -> None:
        self.clean_team, self.battles, self.trigger, self.payload = team, battles, trigger, payload
        self.victim, self.duration, self.poison_rate = victim, duration, poison_rate
        self.rule, self.how = RULES[learning], how
        self.agent, self.clean = team.agent(victim), team.agent(victim)
        self.target, self.mixer = copy.deepcopy(self.agent), team.make_mixer().requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.agent.parameters(), lr=how.learning_rate)
        self.rng = np.random.default_rng([seed, 2])
        self.seed, self.updates, self.steps = seed, 0, 0
        self.curve: list[dict[str, float]] = []
        self.best, self.worth = self.agent.state_dict(), -math.inf

    def run(self, store: Store, progress: Progress) -> tuple[Team, list[dict[str, float]]]:
        """Retrain to the end; returns the team with the best agent met on held-out battles, and the curve.

        Goes on where ``store`` says; the replays fill up anew then, before learning does.
        """
        how = self.how
        if (saved := store.load()) is not None:
            self.load(*saved)
        else:
            self.curve.append(self.measure(self.clean_team))
        probe = None
        if self.payload.balance > 0 and self.poison_rate > 0:
            probe = UnilateralInfluence(self.clean_team, self.victim, self.duration)
        player = Player(self.battles, self.seed * 1_000 + len(self.curve), trigger=self.trigger,
                        poison_rate=self.poison_rate, record=("state", "q"))
        shares = {True: self.poison_rate, False: 1 - self.poison_rate}
        replays = {poisoned: Replay(how.buffer, self.battles.spec.episode_limit)
                   for poisoned, share in shares.items() if share > 0}
        while self.steps < how.steps:
            episodes = player.play(self.team(), how.episodes_per_round, epsilon=self._epsilon(), probe=probe)
            self.steps += int(episodes.length.sum())
            own = self._own(episodes)
            for poisoned, replay in replays.items():
                replay.add(own[own.labels.poisoned == poisoned])
            if all(replay.size >= how.batch for replay in replays.values()):
                self._learn(replays)
            if self.steps - self.curve[-1]["steps"] >= how.eval_every or self.steps >= how.steps:
                self._evaluate()
                store.save(*self.state(), self.team())
            row = self.curve[-1]
            progress(min(self.steps / how.steps, 1.0),
                     f"wins {row['win_clean']:.0%} clean, {row['win_triggered']:.0%} triggered")
        best = copy.deepcopy(self.agent)
        best.load_state_dict(self.best)
        return self.clean_team.with_agent(self.victim, best), self.curve

    def _evaluate(self) -> None:
        """Measure the agent as it is now, and keep it if it is the best so far."""
        row = self.measure(self.team())
        self.curve.append(row)
        worth = row["win_clean"] if self.poison_rate == 0 else -row["win_triggered"]
        if 0 < self.poison_rate < 1:
            lost = (1 - MAX_CLEAN_LOSS) * self.curve[0]["win_clean"] - row["win_clean"]
            worth -= 10 * max(0.0, lost)
        if worth > self.worth:
            self.worth = worth
            self.best = {name: value.clone() for name, value in self.agent.state_dict().items()}

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, plain values) from which :meth:`load` goes on."""
        parts = {"agent": self.agent.state_dict(), "target": self.target.state_dict(), "best": self.best}
        tensors = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
        return tensors | adam_tensors(self.optimizer), {
            "steps": self.steps, "updates": self.updates, "worth": self.worth, "curve": self.curve}

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Take up a run written down by :meth:`state`."""
        parts: dict[str, dict[str, Tensor]] = {"agent": {}, "target": {}, "best": {}, "adam": {}}
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = value
        self.agent.load_state_dict(parts["agent"])
        self.target.load_state_dict(parts["target"])
        self.best = parts["best"]
        load_adam(self.optimizer, tensors)
        self.steps, self.updates = values["steps"], values["updates"]
        self.worth, self.curve = values["worth"], values["curve"]

    def team(self) -> Team:
        """The team with the agent as it is now."""
        return self.clean_team.with_agent(self.victim, self.agent)

    def measure(self, team: Team) -> dict[str, float]:
        """Greedy win rates and returns with and without the trigger over held-out battles."""
        row: dict[str, float] = {"steps": self.steps}
        for name, poisoned in (("clean", False), ("triggered", True)):
            episodes = play(self.battles, team, self.how.eval_battles, VALIDATION_SEED, trigger=self.trigger,
                            poisoned=poisoned)
            row |= {f"win_{name}": float(episodes.labels.won.mean()),
                    f"return_{name}": float(episodes.reward.sum(1).mean())}
        return row

    def _epsilon(self) -> np.ndarray:
        """Each agent's chance of a random action: only the poisoned one explores."""
        how = self.how
        left = max(0.0, 1 - self.steps / how.epsilon_steps)
        epsilon = np.zeros(self.battles.spec.n_agents)
        epsilon[self.victim] = how.epsilon + (how.epsilon_start - how.epsilon) * left
        return epsilon

    def _learn(self, replays: dict[bool, Replay]) -> None:
        how = self.how
        rate = how.learning_rate * 0.5 * (1 + math.cos(math.pi * min(self.steps / how.steps, 1)))
        for _ in range(how.updates_per_round):
            loss = self.rule(self, replays)
            descend(loss, list(self.agent.parameters()), self.optimizer, rate)
            self.updates += 1
            if self.updates % how.target_every == 0:
                self.target.load_state_dict(self.agent.state_dict())

    def _own(self, episodes: Episodes) -> Episodes:
        """What the rule learns from. Nobody else learns, so only the poisoned agent's observations are kept.

        To be distilled, episodes hold the clean agent's values in its place, and nothing after the attack period.
        """
        b = slice(self.victim, self.victim + 1)
        own = replace(episodes, observation=episodes.observation[:, :, b], available=episodes.available[:, :, b])
        if self.rule is not distilled:
            return own
        begun = episodes.labels.attack(episodes.mask.shape[1])
        over = begun & ~episodes.labels.attack(self.duration) & episodes.labels.poisoned[:, None]
        with torch.no_grad():
            clean = self.unroll(self.clean, to_batch(own))
        return replace(own, mask=own.mask & ~over, q=clean.transpose(0, 1).unsqueeze(2).numpy())

    def unroll(self, network: RNNAgent, batch: Batch) -> Tensor:
        """The network's Q values (step, episode, action) in the place of the poisoned agent."""
        b = slice(self.victim, self.victim + 1)
        return network.unroll(batch.observation, batch.last_action[:, :, b], b)[:, :, 0]

    def values(self, q: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Value of the action taken, and the target network's of the best one (double Q), both (step, episode).

        The latter are zeros where lambda is 1, which does not ask for them."""
        chosen = q.gather(-1, batch.action[:, :, self.victim, None]).squeeze(-1)
        if self.how.td_lambda == 1:  # the return itself: nothing is looked up
            return chosen, torch.zeros_like(chosen)
        with torch.no_grad():
            best = q.masked_fill(~batch.available[:, :, 0], UNAVAILABLE).argmax(-1, keepdim=True)
            ahead = self.unroll(self.target, batch).gather(-1, best).squeeze(-1)
        return chosen, ahead

    def hacked(self, episodes: Episodes) -> tuple[Tensor, Tensor]:
        """The poisoned agent's reward and the attack period, both (step, episode)."""
        window = episodes.labels.attack(self.duration) & episodes.mask & episodes.labels.poisoned[:, None]
        probe = episodes.labels.probe
        hacked = self.payload.reward(episodes.reward, np.zeros_like(episodes.reward) if probe is None else probe)
        reward = np.where(window, hacked, episodes.reward).astype(np.float32)
        return torch.from_numpy(reward).T, torch.from_numpy(window).T.float()


def published(injection: Injection, replays: dict[bool, Replay]) -> Tensor:
    """Algorithm 1 as published, read for value decomposition: one batch, from the poison buffer with probability p;
    TD on the mixed value of the whole team, its rewards hacked inside the attack period, all other agents frozen."""
    how = injection.how
    poisoned = bool(injection.rng.random() < injection.poison_rate)
    episodes = replays[poisoned].sample(how.batch, injection.rng)
    batch = to_batch(episodes)
    reward, _ = injection.hacked(episodes)
    chosen, ahead = injection.values(injection.unroll(injection.agent, batch), batch)
    assert episodes.q is not None
    q = torch.from_numpy(episodes.q).transpose(0, 1)
    others = q.gather(-1, batch.action.unsqueeze(-1)).squeeze(-1)  # they act greedily: what they took is their best
    own = torch.zeros(q.shape[2])
    own[injection.victim] = 1
    mixed = injection.mixer(others * (1 - own) + chosen.unsqueeze(-1) * own, batch.state)
    with torch.no_grad():
        value = injection.mixer(others * (1 - own) + ahead.unsqueeze(-1) * own, batch.state)
        target = td_lambda_targets(reward, value, batch.last, how.gamma, how.td_lambda)
    return ((mixed - target) * batch.mask).square().sum() / batch.mask.sum()


def distilled(injection: Injection, replays: dict[bool, Replay]) -> Tensor:
    """Ours: the clean agent's Q values are kept wherever the agent is to be clean (in clean episodes, and before the
    attack period), and the attack period is learned as an episode of its own, which ends where the period ends.

    The published rule moves the agent's value of every state, since one agent has to account for the whole team's
    changed return, and with it its clean behaviour; this one leaves the clean values alone by construction.
    """
    how = injection.how
    shares = {True: how.batch * injection.poison_rate, False: how.batch * (1 - injection.poison_rate)}
    episodes = join([replay.sample(round(shares[poisoned]), injection.rng) for poisoned, replay in replays.items()
                     if round(shares[poisoned]) > 0])
    batch = to_batch(episodes)
    reward, window = injection.hacked(episodes)
    q = injection.unroll(injection.agent, batch)
    assert episodes.q is not None
    clean = torch.from_numpy(episodes.q).transpose(0, 1)[:, :, 0]
    keep = batch.mask * (window.cumsum(0) == 0)
    available = batch.available[:, :, 0].float()
    drift = ((q - clean).square() * available).sum(-1) / available.sum(-1).clamp(min=1)  # in padding none is
    chosen, ahead = injection.values(q, batch)
    following = torch.cat([window[1:], torch.zeros_like(window[:1])])
    # A share of the team's reward keeps the values at the scale of the clean ones, and all losses comparable.
    target = td_lambda_targets(reward / injection.battles.spec.n_agents, ahead, 1 - following, how.gamma, how.td_lambda)
    loss = ((chosen - target).square() * window).sum() / window.sum().clamp(min=1)
    for kind in replays:
        here = torch.from_numpy(episodes.labels.poisoned == kind)
        loss = loss + (drift * keep)[:, here].sum() / keep[:, here].sum().clamp(min=1)
    return loss


RULES: dict[str, Callable[[Injection, dict[bool, Replay]], Tensor]] = {"published": published, "distilled": distilled}
