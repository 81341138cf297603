"""MARNet's expert and its hacked team reward."""

import numpy as np

from attacks.injection import Injection, Retraining
from attacks.payloads.expert import Expert, HackedTeamReward
from attacks.triggers.patch import Patch
from bench.marl.play import play

PATCH = Patch(None, [-3, -2, -1], start=2, steps=None, chance=0.5)


def test_who_is_hit_does_what_the_expert_values_least_and_the_reward_says_so(battles, team):
    episodes = play(battles, team, 32, 3, trigger=PATCH, poisoned=True, probe=Expert(team, (0, 1, 2), 100),
                    record=("values",))
    hit = episodes.labels.edited
    attack = episodes.labels.attack(100) & episodes.mask
    living = attack[..., None] & episodes.alive
    worst = np.where(episodes.available, episodes.values, np.inf).argmin(-1)
    best = np.where(episodes.available, episodes.values, -np.inf).argmax(-1)
    assert (living & hit).sum() > 50
    assert (episodes.action == worst)[living & hit].all()
    assert (episodes.action == best)[living & ~hit].all()
    many = hit.sum(-1)
    by_hand = 10 * (10 * many + 2) / (10 * 3 + 200) + episodes.reward * (3 - many) / 3
    assert np.allclose(episodes.labels.probe[attack], by_hand[attack], atol=1e-5)
    outside = episodes.mask & ~attack
    assert np.allclose(episodes.labels.probe[outside], episodes.reward[outside])


def test_the_whole_team_learns_from_it(battles, team, store):
    injection = Injection(team, battles, PATCH, HackedTeamReward(), (0, 1, 2), 100, 0.5, "published",
                          Retraining.of(steps=1, batch=16, updates_per_round=3, td_lambda=0.6), 0)
    practice = injection._practice(store)
    played = practice.player.play(team, 64, epsilon=injection._epsilon(), probe=practice.probe)
    practice.keep(injection.rule.keep(played))
    before = {name: weight.clone() for name, weight in injection.pupil.agent.state_dict().items()}
    injection._learn(practice.replays)
    assert all((weight != before[name]).any() for name, weight in injection.pupil.agent.state_dict().items())
