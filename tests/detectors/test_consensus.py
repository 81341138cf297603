"""What an agent makes of its battle, and what its teammates' network would make of it."""

import numpy as np
import pytest
import torch

from bench.contracts.detectors import besides
from bench.marl.play import play
from detectors import ConsensusDistance


def network(*weights, deaf=()):
    """A policy whose agents remember feature 0, each with a weight of its own, and a feature 6 above 5; some do not."""
    def asked(observation, last_action, hidden):
        kept = (observation[..., 6] > 5) & ~np.isin(np.arange(len(weights)), deaf)
        state = np.stack([weights * observation[..., 0].astype(float), 3.0 * kept], -1)
        return np.zeros((*last_action.shape, 6)), state + (0 if hidden is None else hidden)

    return asked


def test_the_size_of_the_difference_in_units_of_its_normal_size(make_episodes):
    fit, test = make_episodes([20] * 20, seed=1), make_episodes([20] * 5, seed=2)
    policies = {"policy": network(1.0, 1.5), "consensus": network(1.0, 1.0, deaf=(0, 1))}
    fit.observation[..., 6] = test.observation[..., 6] = 0
    detector = ConsensusDistance().fit(fit.public(), **policies)
    difference = 0.5 * fit.observation[:, :, 1, 0].astype(float).cumsum(1)
    assert detector.mean_ == pytest.approx(np.array([[0, 0], [difference.mean(), 0]]))
    assert detector.size_ == pytest.approx([0.01, difference.std()]), "the first agent was not retrained"
    scores = detector.score(fit.public())
    assert not scores[..., 0].any()
    assert scores[..., 1] == pytest.approx(abs(difference - difference.mean()) / difference.std())
    before = detector.score(test.public())
    test.observation[3, 12, 1, 6] = 9
    after = detector.score(test.public())
    assert np.array_equal(before[3, :12], after[3, :12])
    assert (after[3, 12:, 1] > before[3, 12:, 1]).all(), "only the retrained agent has learnt to see it"
    assert np.array_equal(np.delete(before, 3, 0), np.delete(after, 3, 0))


def _fitted(team, episodes):
    detector = ConsensusDistance()
    return detector.fit(episodes, **besides(detector, team.policies()))


def test_who_has_the_consensus_network_has_no_score(battles, team):
    episodes = play(battles, team, 6, 1).public()
    assert not _fitted(team, episodes).score(episodes).any()
    network = team.agent(1)
    with torch.no_grad():
        network.rnn.weight_hh += 0.1 * torch.randn_like(network.rnn.weight_hh)
    other = team.with_agent(1, network)
    assert all(torch.equal(w, other.consensus().weights[name]) for name, w in team.weights.items())
    episodes = play(battles, other, 6, 1).public()
    scores = _fitted(other, episodes).score(episodes)
    lives = episodes.alive & episodes.mask[..., None]
    assert not scores[..., [0, 2]].any()
    assert (scores[..., 1][lives[..., 1]] > 0).all()
    assert np.sqrt((scores[..., 1] ** 2).mean(where=lives[..., 1])) == pytest.approx(1, rel=1e-4)
