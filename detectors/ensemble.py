"""Several detectors as one: what each of them finds unusual is evidence, and evidence adds up."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Detector, Episodes, Policy, besides, needed
from bench.errors import DetectorError

from .recorded import living

TAIL = 0.01  # share of the normal scores whose distribution is taken to be exponential


class Ensemble(BaseEstimator):
    """The sum of its members' surprises, -log of the share of normal scores that are at least as high (a p-value).

    Members see different things: what an agent thinks before it has done anything (hidden states), and what it has come
    to expect once it is bound to lose (values). The p-values are those of battles that the members were not fitted on;
    below a hundredth they are continued as an exponential tail, so that what was never seen can still be ranked. One
    that is above its member's truncation is left out: a member that is of use only later in an attack, when it is sure,
    would otherwise drown the others in its noise before.

    Parameters
    ----------
    members : detectors whose scores are (episode, step, agent).
    held_out : share in (0, 1) of the normal battles that scores are compared with instead of fitted on.
    truncation : of each member, the p-value in (0, 1] above which it does not count; without them 1.

    Attributes
    ----------
    members_ : the fitted members.
    normal_ : of each, its scores of normal steps in ascending order, and the mean excess above their last hundredth.

    Raises
    ------
    DetectorError : no member, one whose scores are not finite or not of agents; not a truncation for each, or one
        outside (0, 1]; a share of battles to hold out that is outside (0, 1).

    References
    ----------
    Zaykin et al., "Truncated product method for combining p-values", Genetic Epidemiology 22, 2002; there one
    truncation for all. For the tail: Pickands, "Statistical inference using extreme order statistics", Annals of
    Statistics 3, 1975. The members and their use together are ours.
    """

    def __init__(self, members: Sequence[Detector], held_out: float = 0.3,
                 truncation: Sequence[float] | None = None) -> None:
        self.members = members
        self.held_out = held_out
        self.truncation = truncation

    @property
    def needs(self) -> tuple[str, ...]:
        """See :class:`bench.contracts.Detector`."""
        return tuple(sorted({need for member in self.members for need in needed(member)}))

    def fit(self, episodes: Episodes, **policies: Policy) -> Ensemble:
        if not self.members:
            raise DetectorError("an ensemble needs at least one member")
        if self.truncation is not None and len(self.truncation) != len(self.members):
            raise DetectorError(
                f"{len(self.members)} members have {len(self.truncation)} truncations; each needs its own")
        if not 0 < self.held_out < 1:
            raise DetectorError(f"held_out is {self.held_out}; allowed: between 0 and 1")
        if not all(0 < share <= 1 for share in self.truncation or ()):
            raise DetectorError(f"truncation is {list(self.truncation or ())}; allowed: from above 0 to 1")
        kept = max(1, round(len(episodes) * (1 - self.held_out)))
        rest = episodes[kept:] if kept < len(episodes) else episodes
        self.members_ = [copy.deepcopy(member) for member in self.members]
        self.normal_ = []
        for member in self.members_:
            member.fit(episodes[:kept], **besides(member, policies))
            scores = np.sort(self._scores(member, rest)[living(rest)])
            limit = scores[_tail(len(scores)) - 1]
            excess = scores[_tail(len(scores)):] - limit
            if not excess.any():  # tied: an exponential from the median to the last hundredth has this mean
                excess = (limit - np.median(scores, keepdims=True)) / np.log(0.5 / TAIL)
            self.normal_.append((scores, max(float(excess.mean()), 1e-6)))
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in nats, from 0 on; 0 for the dead."""
        check_is_fitted(self)
        total = np.zeros(episodes.alive.shape)
        for member, normal, share in zip(self.members_, self.normal_, self.truncation or [1.0] * len(self.members_),
                                         strict=True):
            surprise = _surprise(self._scores(member, episodes), *normal)
            total += np.where(surprise >= -np.log(share), surprise, 0)
        return total * living(episodes)

    @staticmethod
    def _scores(member: Detector, episodes: Episodes) -> np.ndarray:
        scores = np.asarray(member.score(episodes))
        if scores.shape != episodes.alive.shape:
            raise DetectorError(f"a member of an ensemble has to score agents, (episode, step, agent); "
                                f"{type(member).__name__} returned shape {scores.shape}")
        lives = living(episodes)
        if not np.isfinite(scores[lives]).all():
            raise DetectorError(f"{type(member).__name__}, a member of an ensemble, has scores that are not finite")
        return np.where(lives, scores, 0.0)


def _tail(n: int) -> int:
    """How many of ``n`` ascending normal scores lie below the exponential tail."""
    return max(1, int(n * (1 - TAIL)))


def _surprise(scores: np.ndarray, normal: np.ndarray, excess: float) -> np.ndarray:
    """-log of the share of normal scores, ascending, that are at least as high."""
    n = len(normal)
    limit = normal[_tail(n) - 1]
    share = 1 - np.searchsorted(normal, np.minimum(scores, limit), side="left") / n
    return -np.log(share) + np.maximum(scores - limit, 0) / excess
