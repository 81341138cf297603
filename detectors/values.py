"""White-box detector of what the agents themselves expect: does an agent's own value fall for no reason?"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes

from .recorded import living, recorded


class TDError(BaseEstimator):
    """How far an agent's value fell in the last step below what it had expected, in standard deviations.

    The temporal-difference error of the step that has just been made, with its sign turned: q(a) - r - gamma max q'.
    An agent that has learnt what its backdoor costs expects less from the trigger on. The team's reward is taken in
    equal parts by the living, so that the errors of a VDN team, whose value is the sum of its agents', add up to the
    team's; QMIX's mixer is not needed, and an agent's scale does not matter, since each has its own mean and
    deviation.

    Parameters
    ----------
    gamma : the discount that the team was trained with, in [0, 1].

    Attributes
    ----------
    mean_, deviation_ : (agent,) of the error in normal battles.

    References
    ----------
    Sutton, "Learning to predict by the methods of temporal differences", Machine Learning 3, 1988, for the error. Its
    use as a backdoor detector is ours.
    """

    needs = ("values",)

    def __init__(self, gamma: float = 0.99) -> None:
        self.gamma = gamma

    def fit(self, episodes: Episodes) -> TDError:
        error, counts = self._errors(episodes), living(episodes)
        counts[:, 0] = False
        self.mean_ = error.mean((0, 1), where=counts)
        self.deviation_ = np.maximum(error.std((0, 1), where=counts), np.finfo(np.float32).eps)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent); 0 for the dead and in the first step."""
        check_is_fitted(self)
        scores = (self._errors(episodes) - self.mean_) / self.deviation_ * living(episodes)
        scores[:, :1] = 0
        return scores

    def _errors(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) of the step before, 0 in the first; means nothing for the dead."""
        values = recorded(episodes, "values", self)
        taken = np.take_along_axis(values, episodes.action[..., None].astype(int), -1)[..., 0]
        best = np.where(episodes.available, values, -np.inf).max(-1, initial=-np.inf)
        best = np.where(np.isfinite(best), best, 0)  # the padding has no available action
        share = episodes.reward / np.maximum(living(episodes).sum(-1), 1)
        error = np.zeros(taken.shape)
        error[:, 1:] = taken[:, :-1] - share[:, :-1, None] - self.gamma * best[:, 1:]
        return error
