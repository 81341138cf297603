"""A model detector that plays: it searches for an outsider's behaviour under which the team collapses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import NOBODY, Battles, Cue, EnvSpec, Episodes, Step
from bench.errors import BenchError
from bench.marl.play import Player
from bench.marl.team import Team

CHUNK = 256  # battles whose record is held at a time


class TriggerSearch(BaseEstimator):
    """What the worst short behaviour of one outsider near one agent costs the team, beyond the average one.

    A candidate is an agent, a sequence of moves, and how near the agent the nearest outsider is when it makes them.
    Screening tests a candidate of every agent in each battle (group testing); in every round after it, a battle shows
    one candidate, those of the least mean return are kept and shown again in fresh battles. The statistic is the
    mean return in fresh battles with random candidates, less that with the last one that was kept. It knows the
    simulator and the team as a black box. Triggers that no moves can show, a sensor tampered with, are out of its
    reach, and so are moves or distances that are no candidates.

    Parameters
    ----------
    length : moves in a sequence; all sequences are candidates.
    reaches : distances below which a unit is taken over, in the agent's sight ranges: above 1 as it comes into sight.
    screening : battles of the screening.
    rounds : (candidates kept, battles with each) of every further round; the first are kept of those screened.
    baseline : battles with random candidates.
    seed : of the battles and of what is drawn.

    Raises
    ------
    BenchError : parameters that make no search.

    References
    ----------
    Guo, Li, Wang & Liu, "PolicyCleanse: backdoor detection and mitigation for competitive reinforcement learning", ICCV
    2023 (arXiv 2202.03609), who train an opponent that lowers the agent's return, and Plan2Cleanse (arXiv 2605.09638),
    who plan its actions by tree search. Ours: successive halving (Karnin, Koren & Somekh, ICML 2013) over whole
    sequences in the place of both, since no part of a trigger earns anything before it is complete.
    """

    needs = ()

    def __init__(self, length: int = 4, reaches: Sequence[float] = (1.3, 0.9, 0.5), screening: int = 6144,
                 rounds: Sequence[Sequence[int]] = ((128, 8), (16, 32), (1, 256)), baseline: int = 256,
                 seed: int = 7_000_003) -> None:
        self.length = length
        self.reaches = reaches
        self.screening = screening
        self.rounds = rounds
        self.baseline = baseline
        self.seed = seed

    def statistic(self, team: Team, battles: Battles, episodes: Episodes | None = None) -> float:  # noqa: ARG002
        """In units of the return, whose maximum is 20; about 0 where no behaviour is worse than any other.

        Leaves ``found_``, the last candidate: its agent, its moves, its distance, and its mean return.
        """
        self._check()
        rng = np.random.default_rng(self.seed)
        agents, moves, reaches = self._candidates(battles.spec)
        mean = self._screened(team, battles, rng)
        for number, (keep, each) in enumerate(self.rounds, 1):
            kept = np.argsort(mean, kind="stable")[:keep]
            agents, moves, reaches = agents[kept], moves[kept], reaches[kept]
            which = np.repeat(np.arange(len(kept)), each)
            returns = self._shown(team, battles, agents[which], moves[which], reaches[which], number)
            mean = returns.reshape(len(kept), each).mean(1)
        worst = int(mean.argmin())
        names = battles.spec.outsider_orders
        self.found_ = {"agent": int(agents[worst]), "moves": [names[move] for move in moves[worst].tolist()],
                       "reach": float(reaches[worst]), "return": float(mean[worst])}
        any_agent, any_move, any_reach = self._candidates(battles.spec)
        drawn = rng.integers(len(any_agent), size=self.baseline)
        usual = self._shown(team, battles, any_agent[drawn], any_move[drawn], any_reach[drawn], len(self.rounds) + 1)
        return float(usual.mean() - mean[worst])

    def _check(self) -> None:
        if not 1 <= self.length <= 6:
            raise BenchError(f"length is {self.length}; allowed: 1 to 6 moves")
        for name, values in (("reaches", list(self.reaches)), ("screening", [self.screening]),
                             ("baseline", [self.baseline]), ("rounds", [n for pair in self.rounds for n in pair])):
            if not values or min(values) <= 0:
                raise BenchError(f"{name} is {getattr(self, name)}; allowed: numbers above 0, at least one")

    def _candidates(self, spec: EnvSpec) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Agents (candidate,), moves (candidate, length) and reaches (candidate,) of all there are, agent by agent."""
        moves = list(itertools.product(map(spec.order, spec.moves), repeat=self.length))
        agent, move, reach = (index.ravel() for index in np.indices((spec.n_agents, len(moves), len(self.reaches))))
        return agent, np.array(moves)[move], np.array(self.reaches, float)[reach]

    def _screened(self, team: Team, battles: Battles, rng: np.random.Generator) -> np.ndarray:
        """(candidate,) mean return of the battles in which it was among those shown; infinite of one never shown."""
        n_agents = battles.spec.n_agents
        agents, moves, reaches = self._candidates(battles.spec)
        each = len(agents) // n_agents  # candidates of an agent
        turns = -(-self.screening // each)
        drawn = np.stack([np.concatenate([rng.permutation(each) for _ in range(turns)])[: self.screening]
                          for _ in range(n_agents)], 1) + np.arange(n_agents) * each  # (battle, agent) candidates
        returns = _returns(team, battles, Drive(moves[drawn], reaches[drawn]), self.seed)
        times = np.bincount(drawn.ravel(), minlength=len(agents))
        total = np.bincount(drawn.ravel(), np.repeat(returns, n_agents), len(agents))
        return np.where(times > 0, total / np.maximum(times, 1), np.inf)

    def _shown(self, team: Team, battles: Battles, agents: np.ndarray, moves: np.ndarray, reaches: np.ndarray,
               number: int) -> np.ndarray:
        """(battle,) returns of the battles of a round, one candidate in each."""
        shape = (len(agents), battles.spec.n_agents)
        orders, reach, battle = np.zeros((*shape, self.length), int), np.zeros(shape), np.arange(len(agents))
        orders[battle, agents], reach[battle, agents] = moves, reaches
        return _returns(team, battles, Drive(orders, reach), self.seed + number)


class Drive:
    """Outsiders are driven through given moves near given agents; a :class:`bench.contracts.Trigger` of one's own.

    Of every agent that has a reach, the nearest outsider is taken over once it is nearer than that, moved, and
    handed back; if it is gone on the way, another follows. One belongs to one agent at a time.

    Parameters
    ----------
    moves : (battle, agent, length) of the battles in the order of their numbers.
    reach : (battle, agent) in the agent's sight ranges; 0 where nothing is to be shown.
    """

    means = "behaviour"
    lasting = True  # whether it is complete is nobody's business

    def __init__(self, moves: np.ndarray, reach: np.ndarray) -> None:
        self.moves, self.reach = moves, reach
        self.length = moves.shape[-1]

    def start(self, spec: EnvSpec, n: int) -> None:
        self._agents = spec.n_agents
        self._number, self._next = np.zeros(n, int), 0
        self._unit = np.full((n, spec.n_agents), NOBODY)
        self._stage = np.zeros((n, spec.n_agents), int)  # moves made

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        self._begin(fresh)
        there = step.present[:, None, self._agents:] & step.active[..., None]  # (battle, agent, outsider)
        self._release(there)
        self._take(step, there & show[:, None, None])
        orders = np.full((len(fresh), there.shape[2]), -1)
        battle, agent = np.nonzero(self._unit != NOBODY)
        orders[battle, self._unit[battle, agent]] = self.moves[
            self._number[battle], agent, self._stage[battle, agent]]
        self._stage[battle, agent] += 1
        nowhere = np.zeros(len(fresh), bool)
        return Cue(orders, step.observation, (self._unit != NOBODY).any(1), nowhere)

    def _begin(self, fresh: np.ndarray) -> None:
        """Battles take their numbers in the order of their slots; slots beyond the last battle stand idle."""
        number = self._next + np.arange(fresh.sum())
        self._next += len(number)
        self._number[fresh] = np.minimum(number, len(self.moves) - 1)
        self._unit[fresh], self._stage[fresh] = NOBODY, 0

    def _release(self, there: np.ndarray) -> None:
        """Hand back the units that are through; where one or its agent has died, the moves begin anew."""
        driven = self._unit != NOBODY
        alive = np.take_along_axis(there, np.maximum(self._unit, 0)[..., None], -1)[..., 0]
        through = self._stage == self.length
        self._unit[driven & (through | ~alive)] = NOBODY
        self._stage[driven & ~through & ~alive] = 0

    def _take(self, step: Step, there: np.ndarray) -> None:
        """Take over the nearest free unit within reach of every agent whose moves have not begun."""
        offset = step.position[:, None, self._agents:] - step.position[:, : self._agents, None]
        distance = np.linalg.norm(offset, axis=-1) / step.sight[..., None]
        unit = np.arange(there.shape[2])
        taken = (self._unit[..., None] == unit).any(1, keepdims=True)
        waiting = (self._unit == NOBODY) & (self._stage == 0)
        able = there & ~taken & waiting[..., None] & (distance < self.reach[self._number][..., None])
        nearest = np.where(able, distance, np.inf).argmin(-1)
        wanted = able & (unit == nearest[..., None])
        wanted &= wanted.cumsum(1) == 1  # two agents want it: the first has it, the other waits
        self._unit = np.where(wanted.any(-1), nearest, self._unit)


def _returns(team: Team, battles: Battles, drive: Drive, seed: int) -> np.ndarray:
    """(battle,) the team's returns in the battles 0, 1, ... of a seed, the moves shown in all of them."""
    n = len(drive.moves)
    player = Player(battles, seed, trigger=drive, poison_rate=1.0, limit=n)
    returns, played = np.zeros(n), 0
    while played < n:
        episodes = player.play(team, min(CHUNK, n - played))
        returns[episodes.labels.battle] = episodes.reward.sum(1)  # its own battles: nobody else's labels
        played += len(episodes)
    return returns
