"""Do an agent's action probabilities drift to where they hardly are in normal battles?"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes
from bench.errors import DetectorError

from .action_density import ActionDensity, limits
from .recorded import chunks, living, recorded

LEAST_DEVIATION = 1e-3  # of surprises, in nats


class BehaviorGuard(BaseEstimator):
    """A behavioural drift score of each agent's action probabilities under a kernel density of its normal ones.

    A step's surprise is minus the log density of the probabilities that the agent gives its actions
    (:class:`detectors.action_density.ActionDensity`). Of its last ``window`` steps three statistics are taken: the mean
    surprise (density), the greatest one (high quantile), and the mean of what surprises are above their normal
    ``quantile`` (tail). Each is standardised by its mean and deviation in normal battles that the density was not
    learned from, and the score is the mean of the three.

    From the paper's abstract and its summaries, all that was open to us: action probabilities of each agent, a kernel
    density estimate of what they are without a trigger, a drift score made of density, high-quantile and tail
    statistics, online, without knowing a trigger. Ours, since the paper's formulas were not: everything else, the
    softmax of preferences, which value-based agents have in place of probabilities; kinds of actions; the window; which
    three statistics; their plain mean. :class:`detectors.ActionDrift` reads the same abstract for agents of which
    nothing but their actions is known, and needs no preferences.

    Parameters
    ----------
    temperature, bandwidth, points, seed : see :class:`detectors.action_density.ActionDensity`.
    window : steps, 1 or more.
    quantile : of normal surprises, in (0, 1), above which the tail begins.

    Attributes
    ----------
    density_ : of normal action probabilities, from the first half of the normal battles.
    limit_ : (agent,) where the tail begins, in nats.
    mean_, deviation_ : (agent, statistic) in the other half.

    Raises
    ------
    DetectorError : by ``fit``, if a parameter is out of its range.

    References
    ----------
    After Yu et al., "BehaviorGuard: online backdoor defense for deep reinforcement learning", IJCAI 2026, arXiv
    2605.05977. Its full text was not available to us: see above.
    """

    needs = ("preference",)

    def __init__(self, temperature: float = 1.0, bandwidth: float = 0.1, points: int = 500, window: int = 5,
                 quantile: float = 0.95, seed: int = 0) -> None:
        self.temperature = temperature
        self.bandwidth = bandwidth
        self.points = points
        self.window = window
        self.quantile = quantile
        self.seed = seed

    def fit(self, episodes: Episodes) -> BehaviorGuard:
        if self.window < 1:
            raise DetectorError(f"window is {self.window}; allowed: 1 and more")
        half = len(episodes) // 2
        known, rest = (episodes[:half], episodes[half:]) if half else (episodes, episodes)
        self.density_ = ActionDensity(episodes.described, self.temperature, self.bandwidth, self.points, self.seed)
        self.density_.learn(recorded(known, "preference", self), known.available, living(known))
        surprise, lives = self._surprise(rest), living(rest)
        self.limit_ = limits(surprise, lives, self.quantile)
        statistics, counted = self._statistics(surprise, lives), lives[..., None]
        count = np.maximum(counted.sum((0, 1)), 1)
        self.mean_ = statistics.sum((0, 1), where=counted) / count
        squares = ((statistics - self.mean_) ** 2).sum((0, 1), where=counted) / count
        self.deviation_ = np.maximum(np.sqrt(squares), LEAST_DEVIATION)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), about 0 where normal; 0 for the dead."""
        check_is_fitted(self)
        lives = living(episodes)
        statistics = self._statistics(self._surprise(episodes), lives)
        scores: np.ndarray = ((statistics - self.mean_) / self.deviation_).mean(-1) * lives
        return scores

    def _surprise(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in nats; 0 for the dead."""
        found = np.zeros(episodes.alive.shape)
        for where, some in chunks(episodes):
            lives = living(some)
            steps = lives.any(-1)
            likely = self.density_.probabilities(recorded(some, "preference", self)[steps], some.available[steps])
            here = np.zeros(lives.shape)
            here[steps] = self.density_.surprise(likely)
            found[where] = here * lives
        return found

    def _statistics(self, surprise: np.ndarray, lives: np.ndarray) -> np.ndarray:
        """(episode, step, agent, 3) of the last steps in which the agent lives; means nothing for the dead."""
        def last(values: np.ndarray, nothing: float) -> np.ndarray:
            """(episode, step, agent, window) with ``nothing`` where the agent does not live."""
            values = np.where(lives, values, nothing)
            before = np.full((len(values), self.window - 1, values.shape[2]), nothing)
            return np.lib.stride_tricks.sliding_window_view(np.concatenate([before, values], 1), self.window, 1)

        count = np.maximum(last(np.ones(surprise.shape), 0).sum(-1), 1)
        excess = np.maximum(surprise - self.limit_, 0)
        greatest = np.where(lives, last(surprise, -np.inf).max(-1), 0)
        return np.stack([last(surprise, 0).sum(-1) / count, greatest, last(excess, 0).sum(-1) / count], -1)
