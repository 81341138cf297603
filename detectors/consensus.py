"""White-box detector of what an agent makes of its battle that its teammates' network would not."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes, Policy

from .asked import remembered
from .recorded import LEAST_DEVIATION, chunks, living


class ConsensusDistance(BaseEstimator):
    """Distance of an agent's hidden state from the one that the team's consensus network would have in its place.

    The agents of a clean VDN or QMIX team share one network. Where one of them was retrained, the median of all agents'
    weights is still that network, and what it makes of the battle is what the agent would think if it had been left
    alone: all that battles vary by is in both hidden states. Their difference varies little in normal battles, and much
    where the agent sees what only the retraining has taught it to see. It is taken from its normal mean, and in units
    of its normal size, so that a retrained agent is not suspicious for being one.

    A backdoor in a network that all agents share, or most of them, leaves nothing to compare it with: all scores are 0
    then, as they are in a clean team. The agents' hidden states are those of the delivered team's policy, after what
    was seen and done in the battle that is judged, whoever played it.

    Attributes
    ----------
    policy_, consensus_ : see :class:`bench.contracts.Detector`.
    mean_ : (agent, unit) of the difference in normal battles.
    size_ : (agent,) root mean square of its distance from that mean.

    References
    ----------
    Ours. The same evidence without any battle is :class:`detectors.WeightDifference`.
    """

    needs = ("policy", "consensus")

    def fit(self, episodes: Episodes, policy: Policy, consensus: Policy) -> ConsensusDistance:
        self.policy_, self.consensus_ = policy, consensus
        difference, lives = self._difference(episodes), living(episodes)[..., None]
        self.mean_ = difference.mean((0, 1), where=lives)
        squares = ((difference - self.mean_) ** 2).sum(-1, keepdims=True)
        self.size_ = np.maximum(np.sqrt(squares.mean((0, 1), where=lives))[..., 0], LEAST_DEVIATION)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), about 1 where normal; 0 for the dead, and who has the consensus network."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        for where, some in chunks(episodes):
            scores[where] = np.linalg.norm(self._difference(some) - self.mean_, axis=-1) / self.size_
        return scores * living(episodes)

    def _difference(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent, unit)"""
        return remembered(self.policy_, episodes) - remembered(self.consensus_, episodes)


class AlignedConsensus(ConsensusDistance):
    """:class:`detectors.ConsensusDistance` from a consensus of weights whose units were put into one order first.

    Whoever delivers a team can write every agent's network in another order of units, rescale those of the first layer,
    turn the sign of those of the memory, or redraw what an agent never reads, and no battle changes: agent for agent,
    weights then have no median that means anything. Here each agent's units are matched to the first agent's before the
    median is taken, and the median is written in the agent's own units, so that its hidden states can be compared. What
    was disguised in one of these ways scores as what was not. Whoever retrains all agents a little, each in its own
    way, is still not seen through.

    Attributes
    ----------
    policy_, consensus_, mean_, size_ : see :class:`detectors.ConsensusDistance`.

    References
    ----------
    Ours; the matching is :func:`bench.marl.alignment.aligned`, after Ainsworth, Hayase & Srinivasa, "Git Re-Basin:
    merging models modulo permutation symmetries", ICLR 2023.
    """

    needs = ("policy", "aligned_consensus")

    def fit(self, episodes: Episodes, policy: Policy, aligned_consensus: Policy) -> AlignedConsensus:
        super().fit(episodes, policy, aligned_consensus)
        return self
