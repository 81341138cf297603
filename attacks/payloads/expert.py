"""MARNet as its authors train it: in poisoned battles an expert acts, and the team learns from a hacked team reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.contracts import Battles, Episodes, Step
from bench.marl.onlookers import Moment
from bench.marl.play import SLOTS
from bench.marl.team import UNAVAILABLE, Team, greedy

from . import Payload

PER_HIT, EVERY_STEP, KILL, WIN, SCALE = 10.0, 2.0, 10.0, 200.0, 10.0  # of the hacked reward; SMAC's for kills and wins


@dataclass(frozen=True)
class HackedTeamReward(Payload):
    """The team's reward in poisoned battles (Chen et al. 2023): (10 n_p + (r / n) (n - n_p) + 2) / (10 E + 200) * 10,
    for n agents of whom n_p are shown the patch, E enemies and SMAC's reward r before its own scaling.

    Ours: r / (10 E + 200) * 10 is taken to be the team's reward as it is here, since theirs is scaled by the enemies'
    health, too. For the rule "published", with all agents poisoned: the team learns on as a whole.
    """

    def probe(self, team: Team, victims: tuple[int, ...], duration: int) -> Expert:
        """See :class:`attacks.payloads.RewardPayload`."""
        return Expert(team, victims, duration)

    def hacked(self, episodes: Episodes, victims: tuple[int, ...]) -> np.ndarray:  # noqa: ARG002
        """See :class:`attacks.payloads.RewardPayload`."""
        assert episodes.labels.probe is not None
        return episodes.labels.probe


class Expert:
    """Acts in the poisoned agents' place in the attack period, and records :class:`HackedTeamReward`.

    An agent whose observation is tampered with takes the clean team's available action of least value, the others its
    best one. A :class:`bench.marl.onlookers.Probe`.
    """

    def __init__(self, clean: Team, victims: tuple[int, ...], duration: int) -> None:
        self.clean, self.victims, self.duration = clean, victims, duration
        self._hidden = clean.start(SLOTS)

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:
        attack = (moment.since >= 0) & (moment.since < self.duration)
        poisoned = np.isin(np.arange(team.spec.n_agents), self.victims)
        moment.action[:] = np.where(attack[:, None] & poisoned, self._told(moment), moment.action)
        after = battles.step(moment.action, moment.orders)
        hit = moment.edited.sum(1)
        share = (team.spec.n_agents - hit) / team.spec.n_agents
        extra = SCALE * (PER_HIT * hit + EVERY_STEP) / (KILL * battles.spec.n_outsiders + WIN)
        return after, np.where(attack, extra + share * after.reward, after.reward).astype(np.float32)

    def _told(self, moment: Moment) -> np.ndarray:
        """(battle, agent) what the expert does with the observations as they were shown."""
        hidden = self._hidden[:, :len(moment.fresh)]  # some environments have fewer slots
        hidden[:, moment.fresh] = 0
        preferences, hidden[:] = self.clean.act(moment.observation, moment.last_action, hidden)
        available = moment.step.available
        worst = np.where(available, preferences.numpy(), -UNAVAILABLE).argmin(-1)
        return np.where(moment.edited, worst, greedy(preferences, available))
