"""Sequence models of what an agent sees: how badly is the next observation predicted, or the last few rebuilt?"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from bench.contracts import Episodes

from .recorded import by_agent, by_step, chunks, living, living_steps, rows, windows
from .recurrent import delayed, observation_scaler, scaled, train

LEAST_ERROR = 1e-3  # of a scaled feature, squared: what is always predicted exactly may still be rounded
MOST_WINDOWS = 20_000  # that the autoencoder learns from


class GRUPredictor(BaseEstimator):
    """Error of the prediction of what an agent sees next, by one recurrent network that agents share.

    A GRU reads what an agent saw and did up to the last step and predicts how its present observation differs from
    the last. The score is the squared error of the feature that is worst predicted, in units of that feature's mean
    squared error in normal battles: one outsider that does what none does is two features of many, and their mean
    would not show it.

    Parameters
    ----------
    hidden : units of the GRU.
    epochs, rate : passes over the battles, and Adam's learning rate.

    Attributes
    ----------
    network_ : the GRU and its linear output.
    error_ : (feature,) mean squared error in normal battles, of scaled features.

    References
    ----------
    Malhotra et al., "Long short term memory networks for anomaly detection in time series", ESANN 2015, for
    prediction errors of a recurrent network as scores; one network for all agents and the worst feature are ours.
    """

    def __init__(self, hidden: int = 64, epochs: int = 15, rate: float = 3e-3, seed: int = 0) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.rate = rate
        self.seed = seed

    def fit(self, episodes: Episodes) -> GRUPredictor:
        self.scaler_ = observation_scaler(episodes)
        columns, alive = self._sequences(episodes), by_agent(living(episodes))
        features, actions = columns[0].shape[-1], columns[2].shape[-1]
        self.network_ = train(lambda: _Predictor(features, actions, self.hidden),
                              lambda network, *parts: _squared_error(network, *parts).mean(-1),
                              columns, alive, epochs=self.epochs, batch=32, rate=self.rate, seed=self.seed)
        total = sum(self._errors(some)[by_agent(living(some))].sum(0, dtype=float) for _, some in chunks(episodes))
        self.error_ = np.maximum(total / alive.sum(), LEAST_ERROR)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), about 1 where a feature is predicted as in normal battles; 0 for the dead."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        for where, some in chunks(episodes):
            scores[where] = by_step((self._errors(some) / self.error_).max(-1), some)
        return scores * living(episodes)

    def _sequences(self, episodes: Episodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scaled observations of every step and of the step before (episode * agent, step, feature), and the action
        of the step before (episode * agent, step, action), one-hot; zeros before the first."""
        seen = scaled(self.scaler_, by_agent(episodes.observation))
        done = np.eye(episodes.available.shape[-1], dtype=np.float32)[by_agent(episodes.action)]
        return seen, delayed(seen), delayed(done)

    def _errors(self, episodes: Episodes) -> np.ndarray:
        """(episode * agent, step, feature) squared errors."""
        return _squared_error(self.network_, *map(torch.from_numpy, self._sequences(episodes))).numpy()


class GRUAutoencoder(BaseEstimator):
    """Error of the reconstruction of what an agent saw in the last few steps, by an autoencoder that agents share.

    A GRU reads the window, its last state is squeezed into a short code, and a second GRU writes the window from it.
    The score is the mean over the window of the squared errors in units of their mean in normal battles.

    Parameters
    ----------
    window : steps; of those before the battle begins, none counts.
    hidden, code : units of each GRU, and length of the code between them.
    epochs, rate : passes over the windows, and Adam's learning rate.

    Attributes
    ----------
    network_ : encoder and decoder.
    error_ : (feature,) mean squared error in normal battles, of scaled features.

    References
    ----------
    Malhotra et al., "LSTM-based encoder-decoder for multi-sensor anomaly detection", arXiv 1607.00148, 2016; the GRU
    and the code are ours.
    """

    def __init__(self, window: int = 5, hidden: int = 64, code: int = 32, epochs: int = 10, rate: float = 3e-3,
                 seed: int = 0) -> None:
        self.window = window
        self.hidden = hidden
        self.code = code
        self.epochs = epochs
        self.rate = rate
        self.seed = seed

    def fit(self, episodes: Episodes) -> GRUAutoencoder:
        self.scaler_ = observation_scaler(episodes)
        seen, counts = windows(scaled(self.scaler_, by_agent(episodes.observation)),
                               living_steps(episodes, MOST_WINDOWS, self.seed), self.window)
        features = seen.shape[-1]
        self.network_ = train(lambda: _Autoencoder(features, self.hidden, self.code),
                              lambda network, seen: ((network(seen) - seen) ** 2).mean(-1),
                              [seen], counts, epochs=self.epochs, batch=128, rate=self.rate, seed=self.seed)
        self.error_ = np.maximum(sum(self._errors(seen[some])[counts[some]].sum(0, dtype=float)
                                     for some in rows(len(seen))) / counts.sum(), LEAST_ERROR)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent), about 1 where the window is rebuilt as in normal battles; 0 for the dead."""
        check_is_fitted(self)
        scores = np.zeros(episodes.alive.shape)
        for begin, some in chunks(episodes):
            found, where = np.zeros(by_agent(some.alive).shape), living_steps(some)
            sequences = scaled(self.scaler_, by_agent(some.observation))
            for part in rows(len(where)):
                seen, counts = windows(sequences, where[part], self.window)
                errors = (self._errors(seen) @ (1 / self.error_ / len(self.error_)).astype(np.float32)) * counts
                found[tuple(where[part].T)] = errors.sum(1) / counts.sum(1)
            scores[begin] = by_step(found, some)
        return scores

    def _errors(self, seen: np.ndarray) -> np.ndarray:
        """(window, step, feature) squared errors."""
        return (self.network_(torch.from_numpy(seen)).numpy() - seen) ** 2


class _Predictor(nn.Module):
    """What is seen, from what was seen (sequence, step, feature) and done (sequence, step, action) before."""

    def __init__(self, features: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features + actions, hidden, batch_first=True)
        self.change = nn.Linear(hidden, features)

    def forward(self, before: Tensor, done: Tensor) -> Tensor:
        return before + self.change(self.gru(torch.cat([before, done], -1))[0])


def _squared_error(network: _Predictor, seen: Tensor, before: Tensor, done: Tensor) -> Tensor:
    return (network(before, done) - seen) ** 2


class _Autoencoder(nn.Module):
    """Windows (window, step, feature) through a code and back."""

    def __init__(self, features: int, hidden: int, code: int) -> None:
        super().__init__()
        self.encoder = nn.GRU(features, hidden, batch_first=True)
        self.squeeze = nn.Linear(hidden, code)
        self.decoder = nn.GRU(code, hidden, batch_first=True)
        self.write = nn.Linear(hidden, features)

    def forward(self, seen: Tensor) -> Tensor:
        code = self.squeeze(self.encoder(seen)[1][0])
        return self.write(self.decoder(code[:, None].expand(-1, seen.shape[1], -1))[0])
