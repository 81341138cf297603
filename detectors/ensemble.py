"""Several detectors as one: each agent and step is as suspicious as the member that finds it most unusual says."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Detector, Episodes, Policy, besides, needed
from bench.errors import DetectorError
from detectors.recorded import living

TAIL = 0.01  # share of the normal scores whose distribution is taken to be exponential


class Ensemble(BaseEstimator):
    """The greatest of its members' surprises, -log of the share of normal scores that are as high.

    Members see different things: what an agent thinks before it has done anything (hidden states), and what it has come
    to expect once it is bound to lose (values). Scores of different kinds are made comparable by their distribution in
    battles that the members were not fitted on; above its highest hundredth that is continued as an exponential, so
    that what was never seen can still be ranked.

    Parameters
    ----------
    members : detectors whose scores are (episode, step, agent).
    held_out : share in (0, 1) of the normal battles that scores are compared with instead of fitted on.
    margins : of each member, by how much it has to be more surprised than the others to count, nats from 0 on; without
        them none. A member that is of use only later in an attack would otherwise drown the others before it.

    Attributes
    ----------
    members_ : the fitted members.
    normal_ : of each, its scores of normal steps in ascending order, and the mean excess above their last hundredth.

    Raises
    ------
    DetectorError : no member, one that does not score agents, or not a margin for each.

    References
    ----------
    Ours. For the tail: Pickands, "Statistical inference using extreme order statistics", Annals of Statistics 3, 1975.
    """

    def __init__(self, members: Sequence[Detector], held_out: float = 0.3,
                 margins: Sequence[float] | None = None) -> None:
        self.members = members
        self.held_out = held_out
        self.margins = margins

    @property
    def needs(self) -> tuple[str, ...]:
        """See :class:`bench.contracts.Detector`."""
        return tuple(sorted({need for member in self.members for need in needed(member)}))

    def fit(self, episodes: Episodes, policy: Policy | None = None) -> Ensemble:
        if not self.members:
            raise DetectorError("an ensemble needs at least one member")
        if self.margins is not None and len(self.margins) != len(self.members):
            raise DetectorError(f"{len(self.members)} members have {len(self.margins)} margins; each needs its own")
        kept = max(1, round(len(episodes) * (1 - self.held_out)))
        rest = episodes[kept:] if kept < len(episodes) else episodes
        self.members_ = [copy.deepcopy(member).fit(episodes[:kept], **besides(member, policy))
                         for member in self.members]
        self.normal_ = []
        for member in self.members_:
            scores = np.sort(self._scores(member, rest)[living(rest)])
            limit = scores[_tail(len(scores)) - 1]
            excess = scores[_tail(len(scores)):] - limit
            self.normal_.append((scores, max(float(excess.mean()) if len(excess) else 0.0, 1e-6)))
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in nats, from 0 on; 0 for the dead."""
        check_is_fitted(self)
        margins = self.margins or [0.0] * len(self.members_)
        surprises = [_surprise(self._scores(member, episodes), *normal) - margin
                     for member, normal, margin in zip(self.members_, self.normal_, margins, strict=True)]
        return np.maximum(np.max(surprises, axis=0), 0) * living(episodes)

    @staticmethod
    def _scores(member: Detector, episodes: Episodes) -> np.ndarray:
        scores = np.asarray(member.score(episodes))
        if scores.shape != episodes.alive.shape:
            raise DetectorError(f"a member of an ensemble has to score agents, (episode, step, agent); "
                                f"{type(member).__name__} returned shape {scores.shape}")
        return scores


def _tail(n: int) -> int:
    """How many of ``n`` ascending normal scores lie below the exponential tail."""
    return max(1, int(n * (1 - TAIL)))


def _surprise(scores: np.ndarray, normal: np.ndarray, excess: float) -> np.ndarray:
    """-log of the share of normal scores, ascending, that are at least as high."""
    n = len(normal)
    limit = normal[_tail(n) - 1]
    share = 1 - np.searchsorted(normal, np.minimum(scores, limit), side="left") / n
    return -np.log(share) + np.maximum(scores - limit, 0) / excess
