"""Is what an agent sees and does far from all that it saw and did in normal battles? Variance of a Gaussian process."""

from __future__ import annotations

import numpy as np
import torch
from scipy.linalg import cholesky, solve_triangular
from scipy.spatial.distance import pdist
from sklearn.base import BaseEstimator
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes

from .recorded import chunks, living, rows
from .recurrent import observation_scaler, scaled
from .views import Actions

GAMMA = 0.5  # exp(-distance^2 / 2), in units of the median distances


class PolicyGuard(BaseEstimator):
    """Posterior variance of a Gaussian process of what an agent sees, and of its action in its context.

    The process is fitted on steps of normal battles. Where they tell it much about a step its variance is small, and
    where they tell it nothing the variance is that of the prior, 1.

    Theirs are the process over observations and actions, fitted on clean trajectories, and its posterior variance as
    the score of a step; the context of a step that is still under way is a pseudo trajectory there, and the kernel is
    additive. Ours:

    - the context is the action, the one before it, and which ones are available (:class:`detectors.Actions`);
    - the kernel is squared exponential in both parts, the observation (features scaled to variance 1) and the context,
      each in units of its median distance between normal steps: a step is known if both parts are;
    - the variance does not depend on what the process predicts once the kernel is chosen, so that nothing is predicted
      and the kernel is not trained;
    - the exact process on steps drawn at random, since its cost grows with their square. An approximation by Nystroem
      features alone would not do: its variance falls to 0 far away from all data (Quinonero-Candela & Rasmussen, "A
      unifying view of sparse approximate Gaussian process regression", JMLR 6, 2005).

    Parameters
    ----------
    points : steps of living agents that the process is fitted on, at most.
    noise : variance of the noise, in units of the prior's; above 0.
    seed : of the draw.

    Attributes
    ----------
    scaler_ : of observations.
    lengths_ : (2,) median distances of scaled observations, and of contexts.
    points_ : (point, feature) the steps drawn, in these units.
    whitening_ : (point, point) inverse of the lower Cholesky factor of their covariance, noise included; float32.

    References
    ----------
    Guo & Huang, "PolicyGuard: towards test-time and step-level adversary defense for reinforcement learning agent",
    arXiv 2606.12896, 2026. Ours: see above. The variance is algorithm 2.1 of Rasmussen & Williams, "Gaussian processes
    for machine learning", 2006; scikit-learn's GaussianProcessRegressor gives the same in four times the time.
    """

    def __init__(self, points: int = 1_000, noise: float = 0.01, seed: int = 0) -> None:
        self.points = points
        self.noise = noise
        self.seed = seed

    def fit(self, episodes: Episodes) -> PolicyGuard:
        where = np.argwhere(living(episodes))
        if len(where) > self.points:
            where = np.random.default_rng(self.seed).choice(where, self.points, replace=False)
        drawn = tuple(where.T)
        self.scaler_ = observation_scaler(episodes)
        observation, context = scaled(self.scaler_, episodes.observation[drawn]), Actions()(episodes)[drawn]
        self.lengths_ = np.array([np.median(pdist(part)) or 1.0 for part in (observation, context)])
        self.points_ = self._inputs(observation, context)
        noise = self.noise * np.eye(len(self.points_))
        root = cholesky(rbf_kernel(self.points_, gamma=GAMMA) + noise, lower=True)
        self.whitening_ = solve_triangular(root, np.eye(len(root)), lower=True).astype(np.float32)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in [0, 1]; 0 for the dead."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        for where, some in chunks(episodes):
            lives, variance = living(some), np.zeros(some.alive.shape)
            if lives.any():
                inputs = self._inputs(scaled(self.scaler_, some.observation[lives]), Actions()(some)[lives])
                variance[lives] = np.concatenate([self._variance(inputs[part]) for part in rows(len(inputs))])
            scores[where] = variance
        return scores

    def _variance(self, inputs: np.ndarray) -> np.ndarray:
        """(sample,) the posterior variance at samples (sample, feature)."""
        covariance = torch.cdist(torch.from_numpy(self.points_), torch.from_numpy(inputs)).square_().mul_(-GAMMA).exp_()
        return 1 - (torch.from_numpy(self.whitening_) @ covariance).square_().sum(0).numpy()

    def _inputs(self, observation: np.ndarray, context: np.ndarray) -> np.ndarray:
        """(sample, feature) float32, both parts side by side, each in units of its median distance."""
        return np.concatenate([observation / self.lengths_[0], context / self.lengths_[1]], -1, dtype=np.float32,
                              casting="same_kind")
