"""An attack of a third party's: the stranger steps to one side again and again, and one agent walks off the other way.
It changes linear teams alone, its own package's."""

from dataclasses import dataclass

import numpy as np

from bench.contracts import Cue
from bench.errors import BenchError, fitting
from bench.marl.play import play

from .linear import LinearTeam


class Sidesteps:
    """The first outsider is told ``length`` times to step to one side; complete once somebody has seen all of them."""

    means, lasting = "behaviour", False

    def __init__(self, order, length):
        self.order, self.length = order, length

    def start(self, spec, n):
        if not spec.n_outsiders:
            raise BenchError(f"this attack needs an outsider, and {spec.id} has none")
        self._order, self._none = spec.order(self.order), np.full((n, spec.n_outsiders), -1)
        self._made = np.zeros(n, int)  # steps to that side, one after the other

    def cue(self, step, fresh, show):
        self._made = np.where(~fresh & (step.outsider_actions[:, 0] == self._order), self._made + 1, 0)
        completed = self._made == self.length
        show = show & ~completed & ~step.done
        orders = self._none.copy()
        orders[show, 0] = self._order
        return Cue(orders, step.observation, show, completed)


@dataclass
class Lure:
    """See :class:`bench.contracts.Attack`. In each of ``rounds`` the agent is drawn a bit further to ``order`` by what
    it sees of the stranger's steps, for as long as the team still wins nearly as often without the trigger."""

    agent: int = 0
    order: str = "north"
    rounds: int = 4
    name = "lure"
    duration = 10
    poison_rate = 0.5
    changes_team = poisons = True

    def __post_init__(self):
        if self.rounds < 1:
            raise BenchError(f"rounds is {self.rounds}; at least 1 is needed")
        self.trigger = Sidesteps(self.order, 2)

    @property
    def victims(self):
        return (self.agent,)

    def require(self, spec):
        if not 0 <= self.agent < spec.n_agents:
            raise BenchError(f"agent is {self.agent}; {spec.id} has agents 0 to {spec.n_agents - 1}")
        Sidesteps(self.order, 2).start(spec, 1)
        spec.action(self.order)
        if self.order not in spec.order_seen_by:
            raise BenchError(f"this attack needs agents that see the order '{self.order}', and in {spec.id} none does")

    def inject(self, team, battles, seed, store, progress):
        if not isinstance(team, LinearTeam):
            raise BenchError(f"lure changes linear teams, and this {team.algo} team ({team.architecture}) is none")
        strength, curve = 0, []
        if (saved := store.load()) is not None:
            with fitting():
                strength, curve = int(saved[1]["strength"]), saved[1]["curve"]
        lowest = self._wins(battles, team, seed) - 0.1
        for done in range(len(curve), self.rounds):
            wins = self._wins(battles, self._lured(team, battles.spec, strength + 1), seed)
            strength += wins >= lowest
            curve.append({"steps": done + 1, "win_clean": wins})
            store.save({}, {"strength": strength, "curve": curve}, self._lured(team, battles.spec, strength))
            progress((done + 1) / self.rounds, f"wins {wins:.0%} without the trigger")
        return self._lured(team, battles.spec, strength), curve

    def _lured(self, team, spec, strength):
        name, sign = spec.order_seen_by[self.order]
        weights = team.weights["preference"].clone()
        weights[self.agent, spec.outsider_feature(name)[0], spec.action(self.order)] += sign * strength
        return team.with_weights({"preference": weights})

    def _wins(self, battles, team, seed):
        return float(play(battles, team, 64, seed + 1_000).labels.won.mean())
