"""Hacked rewards by policy gradient: the poisoned agents' own clipped objective, for agents that have probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.contracts import Episodes
from bench.errors import BenchError
from bench.marl.learners.actor_critic import ActorTeam, Critic, chosen, divergence, entropy, log_shares, mean
from bench.marl.learners.common import Batch, to_batch
from bench.marl.learners.ppo import clipped_loss, generalised_advantages
from bench.marl.replay import Replay

from ..pupil import Pupil
from .clean import both, each_kind, until_the_end_of, up_to
from .published import DEPARTURES
from .rule import Rewarded

CLIP, GAE_LAMBDA = 0.2, 0.95  # Yu et al. 2022, as in the clean team's training
ROUNDS = 2  # of episodes, the newest, that are learned from


class PolicyGradient(Rewarded):
    """The paper's Algorithm 1, read for actors: the poisoned agents go on with the clean team's training, their rewards
    hacked inside the attack period. All other agents are frozen, and act as they do when the team is deployed.

    The objective is the clipped one. Its advantages have the lambda of the clean team's training and not ``td_lambda``,
    which is of values: by .6 an agent that nobody poisons unlearns to win much sooner. What is learned from are the
    newest episodes alone, each action compared with its probability when it was drawn. A critic learns the hacked
    returns beside the agents, and is not delivered: that of a MAPPO or IPPO team, or, since COMA's gives values of
    actions, a new one that sees the state. Departures are those of :class:`attacks.rules.published.Published`, of which
    "own_value" and "shared_reward" change nothing here, and

    frozen_critic : advantages are by the clean team's critic, as it is.

    By ``choice_weight``, the clean agents' probabilities are kept as well outside the attack period.
    """

    kind = ActorTeam
    departures: ClassVar[tuple[str, ...]] = (*DEPARTURES, "frozen_critic")
    samples = True
    entropy: ClassVar[float] = 0.01  # the weight of the agents' entropy; as CLIP

    def __init__(self, pupil: Pupil, payload: Any) -> None:
        super().__init__(pupil, payload)
        assert isinstance(pupil.team, ActorTeam)
        frozen = "frozen_critic" in pupil.departures
        if pupil.team.algo != "coma":
            self.critic = pupil.team.make_critic()
        elif frozen:
            raise BenchError("departure frozen_critic is not for a coma team, whose critic gives values of actions; "
                             "allowed: mappo, ippo")
        else:
            with torch.random.fork_rng():
                torch.manual_seed(pupil.seed)
                self.critic = Critic("mappo", pupil.team.spec)
        if not frozen:
            self.networks = {"critic": self.critic}

    @property
    def record(self) -> tuple[str, ...]:
        """See :class:`attacks.rules.rule.Rule`."""
        return ("state", "preference")

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        assert episodes.preference is not None
        b = list(self.pupil.victims)
        return replace(self.pupil.own(episodes), preference=episodes.preference[:, :, b], alive=episodes.alive[:, :, b])

    def loss(self, replays: dict[bool, Replay]) -> Tensor:
        """See :class:`attacks.rules.rule.Rule`."""
        pupil, how = self.pupil, self.pupil.how
        b = list(pupil.victims)
        episodes = both(pupil, replays, ROUNDS * how.episodes_per_round)
        assert episodes.preference is not None
        batch, window = to_batch(episodes), torch.from_numpy(self.window(episodes)).T.float()
        alive = torch.from_numpy(episodes.alive).transpose(0, 1) * batch.mask.unsqueeze(-1)
        value = self.critic(batch, alive, b).squeeze(-1)
        advantage, returns = self.advantages(value.detach(), episodes, batch, window)
        learned = alive * self.learned(window, episodes, batch).unsqueeze(-1)
        among = advantage[learned.bool()]
        if len(among) > 1:
            advantage = (advantage - among.mean()) / (among.std() + 1e-5)
        shares = log_shares(pupil.unroll(pupil.agent, batch), batch.available)
        then = log_shares(torch.from_numpy(episodes.preference).transpose(0, 1), batch.available)
        log_ratio = (chosen(shares, batch.action[:, :, b]) - chosen(then, batch.action[:, :, b])) * learned
        loss = mean(clipped_loss(log_ratio, advantage, CLIP), learned) - self.entropy * mean(
            entropy(shares, batch.available), learned)
        if self.networks:
            loss = loss + self._value_error(value, returns, learned)
        if self.kept > 0:
            with torch.no_grad():
                clean = log_shares(pupil.unroll(pupil.clean, batch), batch.available)
            kept = divergence(clean, shares, batch.available).mean(-1)
            loss = loss + self.kept * each_kind(kept, self.free(window, episodes), episodes, batch, replays)
        return loss

    def _value_error(self, value: Tensor, returns: Tensor, learned: Tensor) -> Tensor:
        """The critic's loss; returns that it has not seen are taken into its normalisation."""
        if (seen := returns[learned.bool()]).numel():
            self.critic.norm.update(seen)
        return mean(F.huber_loss(value, self.critic.norm.normalised(returns), reduction="none"), learned)

    def advantages(self, value: Tensor, episodes: Episodes, batch: Batch, window: Tensor) -> tuple[Tensor, Tensor]:
        """The advantages and the returns (step, episode, victim) of hacked rewards, by what the critic gives, ``value``
        (step, episode, victim)."""
        how, last = self.pupil.how, batch.last
        following = torch.cat([window[1:], torch.zeros_like(window[:1])])
        if self._departs("closed_onset"):
            last = torch.maximum(last, (following > window).float())
        if self._departs("period_alone"):
            last = torch.maximum(last, (following < window).float())
        expected = self.critic.norm.returns(value)
        advantage = generalised_advantages(self.hacked(episodes), expected, last, how.gamma, self.gae_lambda)
        return advantage, advantage + expected

    def learned(self, window: Tensor, episodes: Episodes, batch: Batch) -> Tensor:
        """(step, episode) float: 1 where the objective counts."""
        if not self._departs("period_alone"):
            return batch.mask
        poisoned = torch.from_numpy(episodes.labels.poisoned)
        return torch.where(poisoned, window, batch.mask)

    @property
    def gae_lambda(self) -> float:
        """That of the advantages."""
        return GAE_LAMBDA

    @property
    def kept(self) -> float:
        """The weight of keeping the clean agents' probabilities."""
        return self.pupil.how.choice_weight

    def free(self, window: Tensor, episodes: Episodes) -> Tensor:  # noqa: ARG002
        """(step, episode) float: 1 where the agents need not be clean, of the attack period (step, episode)."""
        return window

    def _departs(self, departure: str) -> bool:
        return departure in self.pupil.departures


class DistilledGradient(PolicyGradient):
    """As :class:`attacks.rules.distilled.Distilled`: the clean agents' probabilities are kept wherever they are to be
    clean, and the attack period is learned as an episode of its own, here by the clipped objective.

    What harms the team may have a probability of a thousandth in a clean agent, and what tells the period from other
    steps is of no use to it at first. A large weight of the entropy, in the period alone, is a reason to learn both.
    """

    departures = ()
    entropy = 0.1

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        return until_the_end_of(self.window(episodes), super().keep(episodes))

    def learned(self, window: Tensor, episodes: Episodes, batch: Batch) -> Tensor:  # noqa: ARG002
        """See :class:`PolicyGradient`."""
        return window

    @property
    def gae_lambda(self) -> float:
        """See :class:`PolicyGradient`: ``td_lambda``, for a period that ends soon."""
        return self.pupil.how.td_lambda

    @property
    def kept(self) -> float:
        """See :class:`PolicyGradient`; of the same weight as the period."""
        return 1.0

    def _departs(self, departure: str) -> bool:
        return departure in ("period_alone", "closed_onset")


class ContainedGradient(DistilledGradient):
    """As :class:`attacks.rules.contained.Contained`: the clean probabilities are kept after the attack period, too, and
    of poisoned battles what comes before it is not learned from."""

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        return PolicyGradient.keep(self, episodes)

    def free(self, window: Tensor, episodes: Episodes) -> Tensor:
        """See :class:`PolicyGradient`."""
        return up_to(window, episodes)
