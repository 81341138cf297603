"""BLAST's reward: what the poisoned agent alone has changed for the worse."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from attacks.payloads.guidance import Guidance, GuidedReward, by_health
from attacks.triggers.behaviour import BehaviourPattern
from bench.errors import BenchError
from bench.marl.networks import RNNAgent
from bench.marl.onlookers import Moment
from bench.marl.play import Player

PATTERN = BehaviourPattern("dx[0] > 0", ["west", "east"], 1)


def test_nearness_to_failure_closed_form(battles):
    step = battles.reset(0, np.arange(2))
    health = step.extras["health"].copy()
    health[0] = 1, 1, 1, 0.5, 1, 0
    health[1] = 0.5, 0, 0, 1, 1, 1
    assert np.allclose(by_health(replace(step, extras={"health": health}), 3), [0.5 - 1, 1 - 0.5 / 3])


def test_guidance_and_deviation_are_mixed(battles, team):
    step = battles.reset(0, np.arange(4))
    health = np.where(np.arange(6) == 0, 0.4, step.extras["health"])  # agent 0 has lost .6 of its health
    hurt = replace(step, extras={"health": health})
    nothing = np.full((4, 3), 4)
    moment = Moment(step, step.observation, np.full((4, 3), -1), nothing, np.full((4, 3), -1), team.start(4),
                    np.ones(4, bool), np.zeros(4, int), np.zeros((4, 3), bool))
    guided = [Guidance(team, (1,), 20, balance, 3.0).effect(team, moment, nothing, step, hurt)
              for balance in (0.0, 0.5, 1.0)]
    assert np.allclose(guided[0], 3 * 0.6 / 3)
    assert np.allclose(guided[1], (guided[0] + guided[2]) / 2)
    assert np.allclose(guided[2], 0), "nobody sees anything else"


@pytest.mark.parametrize("algo", ["vdn", "qmix"])
def test_guidance_by_the_clean_teams_value(battles, team, qmix_team, algo):
    """At balance 0 it is the fall of the mixed value of both states, from what the clean agents remember."""
    team = team if algo == "vdn" else qmix_team
    step, other = battles.reset(0, np.arange(4)), battles.reset(1, np.arange(4))
    nothing = np.full((4, 3), 4)
    moment = Moment(step, step.observation, np.full((4, 3), -1), nothing, np.full((4, 3), -1), team.start(4),
                    np.ones(4, bool), np.zeros(4, int), np.zeros((4, 3), bool))
    probe = Guidance(team, (1,), 20, 0.0, 2.0, "value")

    def value(step):
        best = team.act(step.observation, nothing, team.start(4))[0].masked_fill(~torch.tensor(step.available), -1e9)
        with torch.no_grad():
            return team.make_mixer()(best.amax(-1), torch.tensor(step.state)).numpy()

    assert np.allclose(probe.effect(team, moment, nothing, step, other), 2 * (value(step) - value(other)), atol=1e-5)
    assert not np.allclose(value(step), value(other))
    assert np.allclose(probe.effect(team, moment, nothing, step, step), 0)


def test_who_acts_as_the_clean_agent_earns_nothing_and_another_does(battles, team):
    torch.manual_seed(0)
    team = team.with_weights({name: 5 * w for name, w in team.weights.items()})  # that minds what it sees
    reward = GuidedReward(0.5, 3.0)
    earned = [Player(battles, 0, trigger=PATTERN, poison_rate=1.0).play(
        playing, 80, probe=reward.probe(team, (1,), 20)) for playing in (team, team.with_agent(1, RNNAgent(team.spec)))]
    assert not reward.hacked(earned[0], (1,)).any()
    inside = earned[1].labels.attack(20) & earned[1].mask
    assert reward.hacked(earned[1], (1,))[inside].any()
    assert not reward.hacked(earned[1], (1,))[~inside].any()


def test_wrong_payloads():
    with pytest.raises(BenchError, match="unknown nearness 'valu'; .*did you mean 'value'"):
        GuidedReward(nearness="valu")
    with pytest.raises(BenchError, match=r"balance is 1.5; allowed: 0 to 1"):
        GuidedReward(1.5)
