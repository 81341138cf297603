"""Backdoors in agents that have probabilities: cloned behaviours, hacked rewards by policy gradient."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bench.attacks.backdoor import Backdoor
from bench.attacks.injection import Injection, Retraining
from bench.attacks.payloads.actions import ForcedAction
from bench.attacks.payloads.guidance import GuidedReward
from bench.attacks.payloads.reward import HackedReward, TargetReward
from bench.attacks.pupil import Pupil
from bench.attacks.rules import RULES, rule_for
from bench.attacks.rules.cloned import Cloned
from bench.attacks.rules.policy_gradient import ContainedGradient, DistilledGradient, PolicyGradient
from bench.attacks.triggers.always import Always
from bench.attacks.triggers.announced import Announced
from bench.attacks.triggers.behaviour import BehaviourPattern

from bench.errors import BenchError
from bench.marl.learners.coma import Coma
from bench.marl.learners.common import to_batch
from bench.marl.learners.ppo import Clipped
from bench.marl.play import Player, play
from bench.marl.replay import Replay

SETTINGS = {"mappo": Clipped, "ippo": Clipped, "coma": Coma}
TINY = Retraining.of(steps=1_000, eval_every=500, eval_battles=4, batch=16, buffer=200, episodes_per_round=16,
                     updates_per_round=4, td_lambda=0.95)


def pattern():
    return BehaviourPattern("distance[1] < 1.0", ["west", "east"], 1, seen_from=1)


def actors(battles, algo="mappo"):
    return SETTINGS[algo].of(algo, steps=1).learner(battles.spec, 0).team()


@pytest.mark.parametrize("algo", list(SETTINGS))
def test_a_rule_is_found_for_every_kind_of_team(battles, team, algo):
    made = actors(battles, algo)
    assert {name: rule_for(made, name) for name in RULES} == {
        "published": PolicyGradient, "distilled": DistilledGradient, "contained": ContainedGradient, "imitated": Cloned}
    assert all(rule_for(team, name) is not rule_for(made, name) for name in RULES)
    with pytest.raises(BenchError, match="unknown departure for a vdn team 'frozen_critic'"):
        rule_for(team, "published", ["frozen_critic"])


def learned(battles, made, trigger, payload, learning, how, store, departures=(), rate=0.5):
    attack = Backdoor("x", trigger, payload, 1, 20, rate, learning, how, departures)
    return attack.inject(made, battles, 0, store, lambda *_: None)


@pytest.mark.parametrize(("learning", "payload"), [
    ("imitated", ForcedAction("west")), ("distilled", TargetReward("west")), ("published", TargetReward("west"))])
@pytest.mark.parametrize("algo", ["mappo", pytest.param("coma", marks=pytest.mark.slow)])
def test_the_agent_learns_what_it_is_taught_and_no_other_agent_changes(battles, store, algo, learning, payload):
    made = actors(battles, algo)
    how = replace(TINY, steps=3_000, updates_per_round=12, learning_rate=3e-3)
    poisoned, curve = learned(battles, made, Always(), payload, learning, how, store, rate=1.0)
    assert type(poisoned) is type(made)
    for name, weights in made.weights.items():
        assert torch.equal(weights[[0, 2]], poisoned.weights[name][[0, 2]])
    assert all(torch.equal(value, poisoned.critic[name]) for name, value in made.critic.items())
    assert curve[-1]["kept"] in (0, 1)
    west = battles.spec.action("west")
    shares = []
    for one in (made, poisoned):
        episodes = play(battles, one, 16, 7, trigger=Always(), poisoned=True)
        possible = episodes.alive[:, :, 1] & episodes.available[:, :, 1, west]
        shares.append((episodes.action[:, :, 1] == west)[possible].mean())
    assert shares[1] > max(0.8, shares[0])


def batch_of(battles, rule):
    player = Player(battles, 0, trigger=Announced(pattern(), 1), poison_rate=0.5, record=rule.record)
    kept = rule.keep(player.play(rule.pupil.team, 32, sampled=np.array([False, True, False])))
    replays = {poisoned: Replay(100, battles.spec.episode_limit, battles.spec) for poisoned in (True, False)}
    for poisoned, replay in replays.items():
        replay.add(kept[kept.labels.poisoned == poisoned])
    return kept, replays


def test_the_first_gradient_is_that_of_the_advantages_alone(battles):
    """Nothing has changed since the actions were drawn: the ratios are 1, and the advantages have mean 0."""
    rule = PolicyGradient(Pupil(actors(battles), (1,), 20, 0.5, TINY, 0), HackedReward(balance=0.0))
    kept, replays = batch_of(battles, rule)
    assert kept.observation.shape[2] == kept.preference.shape[2] == kept.alive.shape[2] == 1
    loss = rule.loss(replays)
    loss.backward()
    assert rule.pupil.agent.fc2.weight.grad.abs().sum() > 0
    assert rule.critic.fc3.weight.grad.abs().sum() > 0
    frozen = PolicyGradient(Pupil(actors(battles), (1,), 20, 0.5, TINY, 0, ["frozen_critic"]), HackedReward(balance=0))
    assert not frozen.networks
    assert frozen.loss(replays).item() == pytest.approx(-0.01 * np.log(8), abs=0.01)  # of the entropy alone


def test_a_period_that_is_learned_alone_is_explored_for_its_entropy(battles, monkeypatch):
    rule = DistilledGradient(Pupil(actors(battles), (1,), 20, 0.5, TINY, 0), HackedReward(balance=0.0))
    _, replays = batch_of(battles, rule)

    def loss(weight):
        monkeypatch.setattr(DistilledGradient, "entropy", weight)
        rule.pupil.rng = np.random.default_rng(0)
        return rule.loss(replays).item()

    assert DistilledGradient.entropy > PolicyGradient.entropy
    gained = loss(0.0) - loss(0.1)
    assert 0.05 < gained < 0.1 * np.log(8) + 0.01  # of agents that have learned nothing
    assert loss(0.0) - loss(0.3) == pytest.approx(3 * gained, rel=0.1)


def test_no_value_crosses_the_edges_of_a_period_that_is_learned_alone(battles):
    how = replace(TINY, td_lambda=1.0)
    rule = DistilledGradient(Pupil(actors(battles), (1,), 3, 0.5, how, 0), HackedReward(balance=0.0))
    kept, _ = batch_of(battles, rule)
    batch = to_batch(kept)
    window = torch.zeros_like(batch.mask)
    window[2:4] = 1
    reward = rule.hacked(kept)
    value = torch.zeros(*batch.mask.shape, 1)
    _, returns = rule.advantages(value, kept, batch, window)
    assert torch.allclose(returns[3, :, 0], reward[3])
    assert torch.allclose(returns[2, :, 0], reward[2] + how.gamma * reward[3])
    assert torch.allclose(returns[1, :, 0], reward[1])


def test_what_does_not_fit_is_said_in_a_line(battles, store):
    with pytest.raises(BenchError, match=r"departure frozen_critic is not for a coma team"):
        learned(battles, actors(battles, "coma"), pattern(), HackedReward(), "published", TINY, store,
                ["frozen_critic"])
    with pytest.raises(BenchError, match=r"nearness=value is the clean team's mixed value, and this mappo team has no"):
        learned(battles, actors(battles), pattern(), GuidedReward(nearness="value"), "contained", TINY, store)


def test_actions_are_drawn_by_the_poisoned_agent_alone(battles):
    injection = Injection(actors(battles), battles, Always(), HackedReward(balance=0.0), (2,), 20, 0.5, "published",
                          TINY, 0)
    assert injection._sampled().tolist() == [False, False, True]
    assert not injection._epsilon().any()
