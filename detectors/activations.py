"""White-box detectors of unusual hidden states: the state of an agent's GRU after its observation.

Each agent is compared with itself, since a retrained one need not share the others' weights.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from bench.contracts import Episodes

from .recorded import LEAST_DEVIATION, living, recorded


class NeuronBands(BaseEstimator):
    """Share of an agent's hidden units that are outside the band in which they lie in normal battles.

    Parameters
    ----------
    tail : share of the normal activations of a unit that lie below its band, and above it; below 0.5.

    Attributes
    ----------
    band_ : (2, agent, unit) lower and upper ends.

    References
    ----------
    Vyas, Hicks & Mavroudis, "Mitigating deep reinforcement learning backdoors in the neural activation space",
    arXiv 2407.15168, 2024. Ours: the bands are an agent's own, and the share is the score where the paper sets a limit.
    """

    needs = ("hidden",)

    def __init__(self, tail: float = 0.005) -> None:
        self.tail = tail

    def fit(self, episodes: Episodes) -> NeuronBands:
        normal = np.where(living(episodes)[..., None], recorded(episodes, "hidden", self), np.nan)
        self.band_ = np.nanquantile(normal, [self.tail, 1 - self.tail], axis=(0, 1))
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) in [0, 1]; 0 for the dead."""
        check_is_fitted(self)
        hidden, (low, high) = recorded(episodes, "hidden", self), self.band_
        return ((hidden < low) | (hidden > high)).mean(-1) * living(episodes)


class ActivationClusters(BaseEstimator):
    """Distance of an agent's hidden state from the nearest cluster of the normal states with the same action.

    The published method needs the poisoned training data: it splits each label's activations into two clusters and
    suspects the smaller. A defender who holds only battles without the trigger has the large clusters; a state that
    belongs to none of its action's, though the agent acts so, is what the small one would have held. Distances are
    taken in the first whitened principal components of activations standardised per agent.

    Parameters
    ----------
    clusters : of each action (fewer where an action is rarer than that); an action never seen may be near any.
    components : principal components, at most as many as units.

    Attributes
    ----------
    centres_ : action -> (cluster, component).

    References
    ----------
    Chen et al., "Detecting backdoor attacks on deep neural networks by activation clustering", arXiv 1811.03728, 2018:
    10 components and 2 clusters there. Ours: see above.
    """

    needs = ("hidden",)

    def __init__(self, clusters: int = 8, components: int = 30, seed: int = 0) -> None:
        self.clusters = clusters
        self.components = components
        self.seed = seed

    def fit(self, episodes: Episodes) -> ActivationClusters:
        hidden, lives = recorded(episodes, "hidden", self), living(episodes)
        self.scaler_ = _PerAgent(hidden, lives)
        samples, action = self.scaler_(hidden)[lives], episodes.action[lives]
        self.pca_ = PCA(min(self.components, hidden.shape[-1]), whiten=True, svd_solver="full").fit(samples)
        reduced = self.pca_.transform(samples)
        self.centres_ = {
            int(one): KMeans(min(self.clusters, int((action == one).sum())), n_init=1, random_state=self.seed)
            .fit(reduced[action == one]).cluster_centers_ for one in np.unique(action)}
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), Euclidean, from 0 on; 0 for the dead."""
        check_is_fitted(self)
        hidden, lives = recorded(episodes, "hidden", self), living(episodes)
        scores = np.zeros(lives.shape)
        if not lives.any():
            return scores
        reduced, action = self.pca_.transform(self.scaler_(hidden)[lives]), episodes.action[lives]
        anywhere = np.concatenate(list(self.centres_.values()))
        distance = np.zeros(len(reduced))
        for one in np.unique(action):
            same = action == one
            centres = self.centres_.get(int(one), anywhere)
            distance[same] = np.linalg.norm(reduced[same, None] - centres, axis=-1).min(1)
        scores[lives] = distance
        return scores


class SpectralSignature(BaseEstimator):
    """Mean square of an agent's hidden state along the directions that normal states hardly take.

    The published method needs the poisoned training data: the activations of one label, centred, have the poisoned
    samples' direction as their top singular vector, and a sample's score is its squared projection. Of battles
    without the trigger the top vectors are what play itself varies by. What is kept are centring by action, the
    spectrum and the squared projection; the projection is onto the remaining vectors, each in units of its
    normal standard deviation.

    Parameters
    ----------
    explained : share in (0, 1) of the normal variance that is play itself: the top vectors up to it are left out.

    Attributes
    ----------
    centre_ : (action, unit) mean normal state of each action, standardised per agent; 0 for actions never seen.
    directions_ : (unit, direction) the vectors that are kept, divided by their standard deviations.

    References
    ----------
    Tran, Li & Madry, "Spectral signatures in backdoor attacks", NeurIPS 2018; for the minor components, Shyu et al.,
    "A novel anomaly detection scheme based on principal component classifier", ICDM 2003. Ours: see above.
    """

    needs = ("hidden",)

    def __init__(self, explained: float = 0.8) -> None:
        self.explained = explained

    def fit(self, episodes: Episodes) -> SpectralSignature:
        hidden, lives = recorded(episodes, "hidden", self), living(episodes)
        self.scaler_ = _PerAgent(hidden, lives)
        samples, action = self.scaler_(hidden)[lives], episodes.action[lives]
        self.centre_ = np.stack([samples[action == one].mean(0) if (action == one).any() else np.zeros(hidden.shape[-1])
                                 for one in range(episodes.available.shape[-1])])
        pca = PCA(svd_solver="full").fit(samples - self.centre_[action])
        top = int((pca.explained_variance_ratio_.cumsum() < self.explained).sum()) + 1
        deviation = np.maximum(np.sqrt(pca.explained_variance_), LEAST_DEVIATION)
        self.directions_ = (pca.components_ / deviation[:, None])[min(top, len(deviation) - 1):].T
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), about 1 where normal; 0 for the dead."""
        check_is_fitted(self)
        centred = self.scaler_(recorded(episodes, "hidden", self)) - self.centre_[episodes.action]
        return ((centred @ self.directions_) ** 2).mean(-1) * living(episodes)


class _PerAgent:
    """Hidden states (episode, step, agent, unit) standardised by each agent's own normal mean and deviation."""

    def __init__(self, hidden: np.ndarray, lives: np.ndarray) -> None:
        self.mean = hidden.mean((0, 1), where=lives[..., None])
        self.deviation = np.maximum(hidden.std((0, 1), where=lives[..., None]), LEAST_DEVIATION)

    def __call__(self, hidden: np.ndarray) -> np.ndarray:
        return (hidden - self.mean) / self.deviation
