"""The paper's hacked reward: the reversed team reward, mixed with the influence on the teammates (Eq 3 to 5)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic.dataclasses import dataclass

from bench.contracts import Battles, EnvSpec, Episodes, Step
from bench.errors import unknown
from bench.marl.onlookers import Moment
from bench.marl.play import SLOTS, play
from bench.marl.team import Team, greedy

from . import Payload, require_share

FORMS = ("negate", "complement")
RANGE_SEED, RANGE_BATTLES = 2_000_004, 512  # of the battles by which rewards are measured


@dataclass(frozen=True)
class HackedReward(Payload):
    """Eq (5): (1 - balance) * reversed reward + balance * influence, inside the attack period.

    Parameters
    ----------
    reversal : Eq (3), whose form is lost: "negate" (-r) or "complement" (reward_max - r).
    balance : lambda of Eq (5), in [0, 1].
    reward_max : a step's reward is taken to lie in [0, reward_max], and the influence is brought to a range of the
        same width; None for the greatest reward of a step that the clean team earns, the win included, as Eq (5) has
        it. The range starts at 0 for both forms: were it shifted to [-reward_max, 0] for "negate", every step would
        cost the same, and the agent would learn to end the battle.

    Raises
    ------
    BenchError : an unknown reversal, a balance outside [0, 1].
    """

    reversal: str = "negate"
    balance: float = 0.25
    reward_max: float | None = 1.0

    def __post_init__(self) -> None:
        if self.reversal not in FORMS:
            raise unknown("reversal", self.reversal, FORMS)
        require_share("balance (lambda)", self.balance)

    def measured(self, team: Team, battles: Battles) -> HackedReward:
        """See :class:`attacks.payloads.Payload`."""
        if self.reward_max is not None:
            return self
        return replace(self, reward_max=float(play(battles, team, RANGE_BATTLES, RANGE_SEED).reward.max()))

    def probe(self, team: Team, victims: tuple[int, ...], duration: int) -> UnilateralInfluence | None:
        """See :class:`attacks.payloads.RewardPayload`."""
        return UnilateralInfluence(team, victims, duration) if self.balance > 0 else None

    def hacked(self, episodes: Episodes, victims: tuple[int, ...]) -> np.ndarray:  # noqa: ARG002
        """See :class:`attacks.payloads.RewardPayload`."""
        influence = episodes.labels.probe
        return self.reward(episodes.reward, np.zeros_like(episodes.reward) if influence is None else influence)

    def reward(self, reward: np.ndarray, influence: np.ndarray) -> np.ndarray:
        """The poisoned agent's reward from the team's; all (episode, step), ``influence`` in [0, 1]."""
        assert self.reward_max is not None, "not measured"
        backwards = -reward if self.reversal == "negate" else self.reward_max - reward
        return (1 - self.balance) * backwards + self.balance * self.reward_max * influence


@dataclass(frozen=True)
class TargetReward(Payload):
    """1 for the target action, -1 for any other (TrojDRL, Kiourti et al. 2020); of several agents the mean.

    Parameters
    ----------
    action : one of the environment's ``agent_actions``, such as "west"; None for the untargeted attack, which pays 1
        for any action, so that none is left better than another.
    """

    action: str | None = "west"

    def require(self, spec: EnvSpec) -> None:
        if self.action is not None:
            spec.action(self.action)

    def probe(self, team: Team, victims: tuple[int, ...], duration: int) -> None:  # noqa: ARG002
        """See :class:`attacks.payloads.RewardPayload`."""
        return

    def hacked(self, episodes: Episodes, victims: tuple[int, ...]) -> np.ndarray:
        """See :class:`attacks.payloads.RewardPayload`."""
        if self.action is None:
            return np.ones(episodes.mask.shape)
        wanted = episodes.described.action(self.action)
        return np.where(episodes.action[:, :, list(victims)] == wanted, 1.0, -1.0).mean(-1)


class UnilateralInfluence:
    """Eq (4): the share of teammates whose next action changes because the poisoned agents act as they do.

    In every step of the attack period the battle is played twice from the same state, with the poisoned agent's action
    and with the one that the clean agent would take in its place, everybody else acting the same; then the environment
    and the hidden states are rolled back. Used as a :class:`bench.marl.onlookers.Probe`.
    """

    def __init__(self, clean: Team, victims: tuple[int, ...], duration: int) -> None:
        self.clean, self.victims, self.duration = clean, list(victims), duration
        self._hidden = clean.start(SLOTS)

    def __call__(self, battles: Battles, team: Team, moment: Moment) -> tuple[Step, np.ndarray]:
        normal = self._normal(moment)
        influence = np.zeros(len(normal), np.float32)
        alive = moment.step.active[:, self.victims].any(1)
        attack = (moment.since >= 0) & (moment.since < self.duration) & alive & ~moment.step.done
        if not attack.any():
            return battles.step(moment.action, moment.orders), influence
        before = battles.snapshot()
        without = battles.step(normal, moment.orders)
        battles.restore(before)
        after = battles.step(moment.action, moment.orders)
        on = attack & ~after.done & ~without.done
        influence[on] = self.effect(team, moment, normal, without, after)[on]
        return after, influence

    def effect(self, team: Team, moment: Moment, normal: np.ndarray, without: Step, after: Step) -> np.ndarray:
        """(battle,) in [0, 1]: what has changed by the step that led to ``after``, and not to ``without`` as the clean
        agents' actions ``normal`` would have."""
        real, other = (greedy(team.act(s.observation, a, moment.hidden)[0], s.available)
                       for s, a in ((after, moment.action), (without, normal)))
        return np.delete(real != other, self.victims, axis=1).mean(1)

    def _normal(self, moment: Moment) -> np.ndarray:
        """The joint action with the clean agent's in place of the poisoned one's."""
        hidden = self._hidden[:, :len(moment.fresh)]  # some environments have fewer slots
        hidden[:, moment.fresh] = 0
        preferences, hidden[:] = self.clean.act(moment.observation, moment.last_action, hidden)
        action = moment.action.copy()
        action[:, self.victims] = greedy(preferences, moment.step.available)[:, self.victims]
        return action
