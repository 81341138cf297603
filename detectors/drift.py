"""Does an agent's mix of actions drift away from what it is in the same circumstances?"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import NOBODY, Episodes

from .recorded import living

CONTEXTS = 4  # 0, 1, 2, or more outsiders that the agent could act on


class ActionDrift(BaseEstimator):
    """Divergence of what an agent has done lately from what it does in normal battles in the same circumstances.

    Actions are counted with a memory that fades: C_t = memory C_{t-1} + 1(action at t), and likewise E_t, the counts to
    expect given how many outsiders the agent could act on in those steps. The score is the G statistic
    2 sum C log(C / E) over the kinds of actions, "attack 0" and "attack 1" being of one kind: the Kullback-Leibler
    divergence of the two mixes times twice the number of steps that are remembered, without which the first steps of a
    battle would diverge most.

    Parameters
    ----------
    memory : share in (0, 1) of the counts that the next step keeps; 1 / (1 - memory) steps are remembered.

    Attributes
    ----------
    expected_ : (agent, context, kind of action) distributions in normal battles.

    References
    ----------
    "BehaviorGuard: online backdoor defense for deep reinforcement learning", arXiv 2605.05977, 2026, for drift of the
    action distribution as a score without a trigger. There, densities of the action probabilities of a stochastic
    policy; teams here act greedily, so that what was done is counted instead. Statistic and circumstances are ours.
    :class:`detectors.BehaviorGuard` reads the same abstract with a softmax of preferences for probabilities.
    """

    def __init__(self, memory: float = 0.9) -> None:
        self.memory = memory

    def fit(self, episodes: Episodes) -> ActionDrift:
        alive, agents, kinds = living(episodes), episodes.alive.shape[2], len(episodes.described.action_kinds)
        cell = (np.arange(agents) * CONTEXTS + _context(episodes)) * kinds + _kind(episodes)
        counts = np.bincount(cell[alive], minlength=agents * CONTEXTS * kinds).reshape(agents, CONTEXTS, kinds)
        usual = counts.sum(1, keepdims=True) + 1.0
        counts = counts + usual / usual.sum(-1, keepdims=True)  # one more step of the agent's usual mix
        self.expected_ = counts / counts.sum(-1, keepdims=True)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), 0 or more; 0 for the dead."""
        check_is_fitted(self)
        expected = self.expected_[np.arange(episodes.alive.shape[2]), _context(episodes)]
        done = np.eye(self.expected_.shape[2])[_kind(episodes)]
        remembered, to_expect = (lfilter([1], [1, -self.memory], counts, axis=1) for counts in (done, expected))
        ratio = np.where(remembered > 0, remembered, 1) / to_expect
        return 2 * (remembered * np.log(ratio)).sum(-1) * living(episodes)


def _kind(episodes: Episodes) -> np.ndarray:
    """(episode, step, agent) the kind of the action taken."""
    return episodes.described.kind_of_action[episodes.action]


def _context(episodes: Episodes) -> np.ndarray:
    """(episode, step, agent) how many outsiders the agent could act on, at most CONTEXTS - 1."""
    towards = episodes.described.target_of_action != NOBODY
    return np.minimum(episodes.available[..., towards].sum(-1), CONTEXTS - 1)
