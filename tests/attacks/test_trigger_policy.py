"""A trigger that is learned, and the reward that goes with it."""

import numpy as np
import pytest
import torch

from attacks.backdoor import Backdoor
from attacks.injection import Retraining
from attacks.payloads.novelty import Novelty, NoveltyReward
from attacks.triggers.announced import TOLD
from attacks.triggers.policy import FEATURES, TriggerPolicy
from bench.contracts import NEVER
from bench.errors import BenchError
from bench.marl.networks import RNNAgent
from bench.marl.play import Player, play

TIME = FEATURES.index("time")


def policy(weights, **options):
    trigger = TriggerPolicy(victim=1, **options)
    trigger.learned = {"weights": weights}
    return trigger


def from_step(k):
    """Weights of a policy that acts at step k of 3m's 60."""
    weights = [0.0] * len(FEATURES)
    weights[0], weights[TIME] = -(k - 0.5) / 60, 1.0
    return weights


def test_it_acts_when_its_value_turns_positive_and_tells_the_agent_from_then_on(battles, team):
    episodes = play(battles, team, 64, 2, trigger=policy(from_step(5)), poisoned=True)
    assert set(np.unique(episodes.labels.completion)) <= {5, NEVER}
    assert (episodes.labels.completion == 5).any()
    told = episodes.observation[:, :, 1, -1] == TOLD
    played = episodes.mask & episodes.alive[:, :, 1]
    assert np.array_equal(told, played & (np.arange(told.shape[1]) >= 5))
    assert np.array_equal(episodes.labels.edited[:, :, 1], told)
    assert (episodes.observation[:, :, [0, 2], -1] != TOLD).all()


def test_without_weights_or_permission_it_never_acts(battles, team):
    for trigger, poisoned in ((TriggerPolicy(1), True), (policy(from_step(0)), False)):
        episodes = play(battles, team, 64, 2, trigger=trigger, poisoned=poisoned)
        assert (episodes.labels.completion == NEVER).all()
    early = play(battles, team, 64, 2, trigger=policy(from_step(0), earliest=4), poisoned=True)
    assert set(np.unique(early.labels.completion)) <= {4, NEVER}


def test_the_search_finds_what_does_most_harm():
    wanted = np.linspace(-1, 1, len(FEATURES))
    trigger, seen = TriggerPolicy(generations=25, population=40), []

    def harm(candidate):
        seen.append(-float(np.square(np.array(candidate.learned["weights"]) - wanted).sum()))
        return seen[-1]

    trigger.learn(harm, lambda *_: None)
    assert np.square(np.array(trigger.learned["weights"]) - wanted).sum() == pytest.approx(-max(seen))
    assert max(seen) > -0.3 > seen[0]


def test_novelty_is_paid_for_what_clean_play_does_not_show(battles, team):
    torch.manual_seed(0)
    probe = Novelty(team.spec.observation_size, (1,), 60)
    clean = Player(battles, 0).play(team, 300, probe=probe)
    assert not clean.labels.probe.any(), "no attack, no pay"
    shown = Player(battles, 1, trigger=policy(from_step(3)), poison_rate=1.0)
    usual = shown.play(team, 80, probe=probe).labels
    inside = usual.attack(60) & (usual.probe > 0)
    assert 0 < np.median(usual.probe[inside]) < 0.5, "the same team goes on as before"
    assert usual.probe.max() <= 1
    assert not usual.probe[~usual.attack(60)].any()
    reward = NoveltyReward(0.25)
    episodes = shown.play(team.with_agent(1, RNNAgent(team.spec)), 80, probe=probe)
    assert np.allclose(reward.hacked(episodes, (1,)), 0.25 * episodes.labels.probe - 0.75 * episodes.reward)


def test_what_was_learned_is_kept_with_a_killed_injection(battles, team, store):
    def attack():
        return Backdoor("x", TriggerPolicy(1, generations=1, population=4), NoveltyReward(), victim=1,
                        duration=20, poison_rate=0.5, learning="distilled", retraining=Retraining.of(
                            steps=900, eval_every=300, eval_battles=8, batch=4, updates_per_round=1))
    first = attack()
    first.inject(team, battles, 0, store, lambda *_: None)
    assert len(first.trigger.learned["weights"]) == len(FEATURES)
    again = attack()
    again.inject(team, battles, 0, store, lambda *_: None)
    assert again.trigger.learned == first.trigger.learned


@pytest.mark.parametrize("options", [{"population": 3}, {"generations": 0}, {"earliest": -1}])
def test_wrong_policies(options):
    with pytest.raises(BenchError, match="allowed: from 0, from 1 and from 4 on"):
        TriggerPolicy(**options)


def test_wrong_balance():
    with pytest.raises(BenchError, match="balance is -1"):
        NoveltyReward(-1)


def test_weights_of_another_size(battles, team):
    with pytest.raises(BenchError, match="7 weights, this one 2"):
        play(battles, team, 64, 2, trigger=policy([1.0, 2.0]))
