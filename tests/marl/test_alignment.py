"""Units of networks in one order: what was done to each agent's weights without changing a battle is undone."""

import numpy as np
import pytest
import torch

from attacks.disguise import Disguise
from bench.marl.alignment import Units, aligned
from bench.marl.play import play
from detectors import AlignedConsensus, ConsensusDistance

N = 6


def networks(team):
    return [{name: w[agent].numpy().astype(float) for name, w in team.weights.items()}
            for agent in range(team.spec.n_agents)]


def retrained(team, agent, size):
    """The team with noise on one agent's weights, ``size`` of their standard deviation."""
    network = team.agent(agent)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight += size * weight.std() * torch.randn(weight.shape, generator=generator)
    return team.with_agent(agent, network)


def preferences(team, episodes):
    """(step, battle, agent, action) of a team, given what was seen and done."""
    memory, last, found = team.start(len(episodes)), np.full(episodes.action[:, 0].shape, -1), []
    for step in range(episodes.mask.shape[1]):
        now, memory = team.act(episodes.observation[:, step].astype(np.float32), last, memory)
        found.append(now.numpy())
        last = episodes.action[:, step].astype(int)
    return np.stack(found)


def apart(team, other, episodes):
    """(agent,) root mean square difference of their preferences."""
    return np.sqrt(((preferences(team, episodes) - preferences(other, episodes)) ** 2).mean((0, 1, 3)))


def test_units_written_anew_and_back(team):
    (network, *_), rng = networks(team), np.random.default_rng(1)
    units = Units(rng.permutation(64), rng.uniform(0.1, 9, 64), rng.permutation(64), rng.choice([-1.0, 1.0], 64))
    there = units.of(network)
    back = units.undone.of(there)
    assert all(back[name] == pytest.approx(weight) for name, weight in network.items())
    assert not np.allclose(there["rnn.weight_hh"], network["rnn.weight_hh"])


@pytest.mark.parametrize("size", [0.0, 0.3])
def test_agents_that_do_the_same_come_out_with_the_same_weights(team, size):
    """Even if the reference, agent 0, does something else."""
    disguised = networks(Disguise.of("permuted")(retrained(team, 0, size), 5))
    read = team.spec.observation_size + team.spec.n_actions
    _, one, other = (units.of(network) for units, network in zip(aligned(disguised, read), disguised, strict=True))
    for name, weight in one.items():
        assert other[name] == pytest.approx(weight, abs=1e-5)
    assert not np.allclose(disguised[1]["rnn.weight_hh"], disguised[2]["rnn.weight_hh"])


@pytest.mark.parametrize("disguise", [None, "permuted", "unused_inputs", ["permuted", "unused_inputs"]])
def test_the_consensus_does_what_most_agents_do_whatever_was_done_to_the_weights(battles, team, disguise):
    """But for a constant: what was retrained of its bias and of its id."""
    odd = retrained(team, 1, 0.3)
    delivered, episodes = Disguise.of(disguise)(odd, 3) if disguise else odd, play(battles, team, N, 1)
    changed, left = apart(delivered, team, episodes), apart(delivered.aligned_consensus(), team, episodes)
    assert left[[0, 2]].max() < 1e-5
    assert left[1] < changed[1] / 3
    if disguise:
        assert apart(delivered.consensus(), team, episodes)[[0, 2]].min() > 0.005


def test_biases_that_can_stand_in_two_places(battles, team):
    """Of a gate, or of the first layer and the id."""
    rng, odd, agents = np.random.default_rng(0), retrained(team, 1, 0.3), torch.arange(3)
    weights = {name: w.clone() for name, w in odd.weights.items()}
    gates, first = (torch.from_numpy(rng.normal(0, 30, (3, size))).float() for size in (128, 64))
    weights["rnn.bias_ih"][:, :128] += gates
    weights["rnn.bias_hh"][:, :128] -= gates
    weights["fc1.bias"] += first
    weights["fc1.weight"][agents, :, agents - 3] -= first
    moved, episodes = team.with_weights(weights), play(battles, team, N, 1)
    assert apart(moved, odd, episodes).max() < 1e-3, "nothing else changes"
    assert apart(moved.aligned_consensus(), odd.aligned_consensus(), episodes).max() < 1e-3


def test_who_has_the_consensus_network_keeps_it_to_the_last_bit(team):
    for one in (team, Disguise.of("permuted")(team, 3)):
        assert all(torch.equal(w, one.weights[name]) for name, w in one.aligned_consensus().weights.items())


def test_a_disguise_changes_no_score(battles, team):
    odd = retrained(team, 1, 0.1)
    hidden = Disguise.of("permuted")(odd, 3)
    episodes = play(battles, odd, N, 1).public()
    scores = [AlignedConsensus().fit(episodes, one.policy, one.aligned_consensus().policy).score(episodes)
              for one in (odd, hidden)]
    assert scores[1] == pytest.approx(scores[0], abs=1e-2)
    assert not scores[0][..., [0, 2]].any(), "who has the consensus network has no score"
    plain = [ConsensusDistance().fit(episodes, one.policy, one.consensus().policy).score(episodes)
             for one in (odd, hidden)]
    assert plain[0] == pytest.approx(scores[0], abs=0.1)
    assert not np.allclose(plain[1], plain[0], atol=0.5)
