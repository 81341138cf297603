"""Autoencoder: what a narrow network that has learned to copy normal samples cannot copy is an outlier."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn


class Autoencoder(OutlierMixin, BaseEstimator):
    """Squared error of reconstruction by a network with one hidden layer on either side of a narrow code.

    Parameters
    ----------
    hidden, code : units of the hidden layers, and of the code between them.
    epochs, batch, learning_rate : of Adam; every epoch is a pass over all samples in a new order.
    random_state : of the first weights and the order of the samples.

    Attributes
    ----------
    network_ : the fitted network.

    References
    ----------
    Hinton & Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 2006; for outliers
    Sakurada & Yairi, "Anomaly detection using autoencoders with nonlinear dimensionality reduction", MLSDA 2014.
    """

    def __init__(self, hidden: int = 64, code: int = 16, epochs: int = 20, batch: int = 256,
                 learning_rate: float = 1e-3, random_state: int = 0) -> None:
        self.hidden = hidden
        self.code = code
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: None = None) -> Autoencoder:  # noqa: ARG002
        samples = torch.from_numpy(validate_data(self, X, dtype=np.float32))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.random_state)
            self.network_ = self._network(samples.shape[1])
            optimiser = torch.optim.Adam(self.network_.parameters(), lr=self.learning_rate)
            for _ in range(self.epochs):
                for some in torch.randperm(len(samples)).split(self.batch):
                    loss = nn.functional.mse_loss(self.network_(samples[some]), samples[some])
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()
        return self

    def score_samples(self, X: np.ndarray) -> np.ndarray:
        """(sample,) minus the mean squared error over the features: higher is more normal, at most 0."""
        check_is_fitted(self)
        samples = torch.from_numpy(validate_data(self, X, dtype=np.float32, reset=False))
        with torch.inference_mode():
            return -(self.network_(samples) - samples).square().mean(1).numpy()

    def _network(self, features: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Linear(features, self.hidden), nn.ReLU(), nn.Linear(self.hidden, self.code), nn.ReLU(),
            nn.Linear(self.code, self.hidden), nn.ReLU(), nn.Linear(self.hidden, features))
