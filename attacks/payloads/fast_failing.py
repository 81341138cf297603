"""A fast-failing policy for one agent, as in BackdooRL (Wang et al. 2021): found by search, then to be imitated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import cma
import numpy as np
import pydantic.dataclasses
from pydantic import Field, PositiveInt

from bench.contracts import Battles, Episodes, Progress, Step, Trigger
from bench.errors import BenchError
from bench.marl.play import Moment, play
from bench.marl.team import Team

SEARCH_SEED = 4_000_037  # battles of the search, apart from all others
REACH = np.array([[0, 1], [1, 0], [0, -1], [-1, 0], [0, 0]], float)  # north, east, south, west, stop in map units
# What Retreat weighs: (weight, distance) of the farthest mate, the nearest mate and the nearest enemy; east; sideways.
# The search starts from "away from the fight, but not out of its sight", as a longer one on 8m has found it.
START = np.array([0.7, 8.4, 0.0, 5.0, 0.7, 11.5, -0.6, -0.4])
SPREAD = np.array([0.5, 1.5, 0.5, 2.0, 0.5, 3.0, 0.5, 0.5])


@dataclass(frozen=True)
class Retreat:
    """An agent that only moves, always to the place of greatest worth among those it can reach in a step.

    A place loses worth with its distance's difference from a preferred one, to the farthest mate, the nearest mate
    and the nearest enemy in sight, and gains or loses by how far east it lies and how far north or south of the mates.

    Parameters
    ----------
    weights : (8,), see :data:`START`; distances in map units.
    agent : which agent it is for.
    agents : how many the team has; they come first among the units.
    sight : how far the agent sees, in map units. It heeds nobody whom it does not see: who imitates it sees no more.
    """

    weights: np.ndarray
    agent: int
    agents: int
    sight: float

    record = ("position", "health")

    def act(self, position: np.ndarray, alive: np.ndarray, available: np.ndarray) -> np.ndarray:
        """The agent's action (...), from ``position`` (..., unit, 2) in map units, ``alive`` (..., unit), and which
        actions are ``available`` (..., action) to it."""
        worth = self.worth(position, alive)
        return np.where(available[..., : len(REACH)], worth, -np.inf).argmax(-1)  # the dead may only stop

    def worth(self, position: np.ndarray, alive: np.ndarray) -> np.ndarray:
        """What each of the five moves leads to, (..., move)."""
        own = position[..., self.agent, None, :]
        seen = alive & (np.linalg.norm(position - own, axis=-1) < self.sight)
        mates, enemies = seen[..., None, : self.agents].copy(), seen[..., None, self.agents :]
        mates[..., self.agent] = False
        places = own + REACH
        apart = np.linalg.norm(places[..., :, None, :] - position[..., None, :, :], axis=-1)  # (..., place, unit)
        to_mates, to_enemies = apart[..., : self.agents], apart[..., self.agents :]
        far = np.where(mates, to_mates, -np.inf).max(-1)
        near = np.where(mates, to_mates, np.inf).min(-1)
        enemy = np.where(enemies, to_enemies, np.inf).min(-1)
        north = np.where(mates[..., 0, :], position[..., : self.agents, 1], 0).sum(-1, keepdims=True)
        north = np.where(mates.any(-1), north / np.maximum(mates.sum(-1), 1), own[..., 1])
        w = self.weights
        worth = w[6] * places[..., 0] + w[7] * np.abs(places[..., 1] - north)
        for weight, preferred, distance in ((w[0], w[1], far), (w[2], w[3], near), (w[4], w[5], enemy)):
            worth = worth - weight * np.abs(np.where(np.isfinite(distance), distance, preferred) - preferred)
        return worth

    def targets(self, episodes: Episodes) -> np.ndarray:
        """See :class:`attacks.payloads.Behaviour`."""
        position, health = episodes.labels.position, episodes.labels.health
        assert position is not None, "recorded without record=('position', 'health')"
        assert health is not None
        return self.act(position, health > 0, episodes.available[:, :, 0])[:, :, None]


class Puppet:
    """Plays a retreat from the completion of the trigger on, in the place of its agent: a probe of the play loop."""

    def __init__(self, retreat: Retreat) -> None:
        self.retreat = retreat

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:  # noqa: ARG002
        step = moment.step
        attack = moment.since >= 0
        action = moment.action.copy()
        own = step.available[:, self.retreat.agent]
        action[attack, self.retreat.agent] = self.retreat.act(step.position, step.alive, own)[attack]
        return battles.step(action, moment.orders), np.zeros(len(attack), np.float32)


@pydantic.dataclasses.dataclass(frozen=True)
class FastFailing:
    """The retreat that leaves a team the least return, from the completion of the trigger on; by CMA-ES (Hansen 2016).

    Parameters
    ----------
    generations, population : of the search.
    battles : how many each candidate is judged by, the same ones for a whole generation.
    """

    generations: PositiveInt = 10
    population: Annotated[int, Field(ge=4)] = 16
    battles: PositiveInt = 192

    def prepare(self, team: Team, battles: Battles, trigger: Trigger, victims: tuple[int, ...],
                history: list[list[float]], progress: Progress) -> Retreat:
        """See :class:`attacks.payloads.ActionPayload`. The history is the team's return under every candidate."""
        if len(victims) != 1:
            raise BenchError(f"the fast-failing payload is for one agent; poisoned are {len(victims)}")
        rng = np.random.default_rng(SEARCH_SEED)
        options = {"popsize": self.population, "verbose": -9, "seed": np.nan,  # by default it seeds numpy's global one
                   "randn": lambda *shape: rng.standard_normal(shape)}
        strategy = cma.CMAEvolutionStrategy(np.zeros(len(START)), 0.8, options)

        def retreat(z: np.ndarray) -> Retreat:
            return Retreat(START + SPREAD * z, victims[0], team.spec.n_agents, team.spec.sight_range[victims[0]])

        for generation in range(self.generations):
            drawn = strategy.ask()
            if generation == len(history):
                history.append([self._judge(retreat(z), team, battles, trigger, SEARCH_SEED + generation)
                                for z in drawn])
                progress((generation + 1) / self.generations,
                         f"searching what to do: the team's return is {np.mean(history[-1]):.1f}")
            strategy.tell(drawn, history[generation])
        return retreat(strategy.result.xfavorite)

    def _judge(self, retreat: Retreat, team: Team, battles: Battles, trigger: Trigger, seed: int) -> float:
        episodes = play(battles, team, self.battles, seed, trigger=trigger, poisoned=True, probe=Puppet(retreat))
        return float(episodes.reward.sum(1).mean())
