"""Who does not act as that agent does? Prediction of every agent's actions, and its failures added up."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn
from torch.nn import functional as F

from bench.contracts import Episodes

from .cusum import cusum
from .recorded import by_agent, by_step, chunks, living
from .recurrent import delayed, observation_scaler, scaled, train

LEAST_P = 1e-4  # of an action: one surprise does not outweigh a battle


class PeerPrediction(BaseEstimator):
    """Deviation of an agent's actions from what a recurrent network expects of it, added up by a two-sided CUSUM.

    A GRU reads what an agent sees and what it did last, and predicts the distribution of its action among those that
    are available. Of each step, the surprise of the action less its expectation, -log p(action) - H(p), is
    standardised by its normal mean and deviation; an agent that acts less, or more, predictably than in normal
    battles drives one of the two sums up. The score is the greater sum, agent by agent: it says who deviates.

    Parameters
    ----------
    slack : deviations per step that are let pass, in standard deviations.
    hidden : units of the GRU, which agents share; the agent's number is an input.
    epochs, rate : passes over the battles, and Adam's learning rate.

    Attributes
    ----------
    network_ : the GRU and its linear output.
    mean_, deviation_ : (agent,) of the surprise less its expectation in normal battles.

    References
    ----------
    Kazari, Shereen & Dan, "Decentralized anomaly detection in cooperative multi-agent reinforcement learning", IJCAI
    2023, 10.24963/ijcai.2023/19, for the predicted action distribution; for the two-sided CUSUM, their arXiv
    2508.15764, 2025. There, each agent predicts its teammates from its own observation, since it must decide alone.
    Ours: whoever runs the benchmark holds all observations, so that each agent is predicted from its own, which tells
    more; and the network learns from battles of the delivered team.
    """

    def __init__(self, slack: float = 0.5, hidden: int = 64, epochs: int = 15, rate: float = 3e-3,
                 seed: int = 0) -> None:
        self.slack = slack
        self.hidden = hidden
        self.epochs = epochs
        self.rate = rate
        self.seed = seed

    def fit(self, episodes: Episodes) -> PeerPrediction:
        self.scaler_ = observation_scaler(episodes)
        columns, alive = self._sequences(episodes), living(episodes)
        inputs, actions = columns[0].shape[-1], columns[1].shape[-1]
        self.network_ = train(lambda: _Policy(inputs, actions, self.hidden), _surprise, columns, by_agent(alive),
                              epochs=self.epochs, batch=32, rate=self.rate, seed=self.seed)
        excess = self._excess(episodes)
        self.mean_ = excess.mean((0, 1), where=alive)
        self.deviation_ = np.maximum(excess.std((0, 1), where=alive), LEAST_P)
        return self

    def score(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) from 0 on, in standard deviations; 0 for the dead."""
        check_is_fitted(self)
        alive = living(episodes)
        deviation = (self._excess(episodes) - self.mean_) / self.deviation_ * alive
        return np.maximum(cusum(deviation, self.slack), cusum(-deviation, self.slack)) * alive

    def _excess(self, episodes: Episodes) -> np.ndarray:
        """(episode, step, agent) the surprise of the action less its expectation, in nats."""
        excess = np.zeros(episodes.alive.shape)
        for where, some in chunks(episodes):
            inputs, available, action = map(torch.from_numpy, self._sequences(some))
            log_p = self.network_(inputs, available)
            entropy = -(log_p.exp() * log_p).sum(-1)
            excess[where] = by_step((_picked(log_p, action) - entropy).numpy(), some)
        return excess

    def _sequences(self, episodes: Episodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each episode * agent and step: the network's inputs, the available actions and the action taken."""
        n, steps, agents = episodes.alive.shape
        action = by_agent(episodes.action).astype(np.int64)
        available = by_agent(episodes.available).copy()
        np.put_along_axis(available, action[..., None], True, -1)  # what was done was possible, also in the padding
        last = delayed(np.eye(available.shape[-1], dtype=np.float32)[action])
        who = np.broadcast_to(np.tile(np.eye(agents, dtype=np.float32), (n, 1))[:, None], (n * agents, steps, agents))
        return np.concatenate([scaled(self.scaler_, by_agent(episodes.observation)), last, who], -1), available, action


class _Policy(nn.Module):
    """Log probabilities (sequence, step, action), at least log LEAST_P where available and 0 where not, from inputs
    (sequence, step, feature) and available actions."""

    def __init__(self, inputs: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, hidden, batch_first=True)
        self.choose = nn.Linear(hidden, actions)

    def forward(self, inputs: Tensor, available: Tensor) -> Tensor:
        logits = self.choose(self.gru(inputs)[0]).masked_fill(~available, -torch.inf)
        return F.log_softmax(logits, -1).clamp(min=float(np.log(LEAST_P))).masked_fill(~available, 0)


def _picked(log_p: Tensor, action: Tensor) -> Tensor:
    """-log p of the actions taken (sequence, step)."""
    return -log_p.gather(-1, action[..., None])[..., 0]


def _surprise(network: _Policy, inputs: Tensor, available: Tensor, action: Tensor) -> Tensor:
    return _picked(network(inputs, available), action)
