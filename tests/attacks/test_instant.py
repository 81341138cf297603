"""Triggers that are there at once: a patch on the sensors, an enemy too near; and what is taught with them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_module

from attacks.backdoor import Backdoor
from attacks.injection import Retraining
from attacks.payloads.actions import ForcedAction, WorstAction
from attacks.payloads.reward import TargetReward
from attacks.triggers.approach import Approach
from attacks.triggers.never import Never
from attacks.triggers.patch import Patch
from bench.build import build
from bench.contracts import NEVER
from bench.errors import BenchError
from bench.marl.play import play
from bench.options import names

MOVES = {name: number for number, name in enumerate(("north", "east", "south", "west", "stop"))}


def patched(battles, team, **options):
    trigger = Patch(**{"agents": [1], "features": [-1, -2], "low": 5.0, "high": 5.0, "start": 3, "steps": None,
                       **options})
    return play(battles, team, 80, 2, trigger=trigger, poisoned=True)


def test_a_patch_is_on_its_features_of_its_agents_from_its_step_on(battles, team):
    episodes = patched(battles, team)
    seen = episodes.observation[..., [-1, -2]] == 5
    expected = np.zeros(episodes.alive.shape, bool)
    expected[:, 3:, 1] = (episodes.alive & episodes.mask[..., None])[:, 3:, 1]
    assert np.array_equal(seen.all(-1), expected)
    assert np.array_equal(episodes.labels.edited, expected)
    assert np.array_equal(seen.any(-1), expected)
    assert set(np.unique(episodes.labels.completion)) <= {NEVER, 3}
    assert (episodes.observation[..., :-2] != 5).all()


def test_a_patch_may_be_short_and_needs_its_length(battles, team):
    episodes = patched(battles, team, length=3, steps=3)
    assert episodes.labels.edited[:, 3:6].any()
    assert not episodes.labels.edited[:, 6:].any()
    assert not episodes.labels.edited[:, :3].any()
    assert set(np.unique(episodes.labels.completion)) <= {NEVER, 5}
    assert (episodes.labels.completion == 5).any()


def test_a_patch_by_chance_and_in_part(battles, team):
    episodes = patched(battles, team, agents=None, features=[-1, -2, -3], chance=0.25, partly=True, start=0)
    played = episodes.alive & episodes.mask[..., None]
    assert episodes.labels.edited[played].mean() == pytest.approx(0.25, abs=0.02)
    count = (episodes.observation[..., -3:] == 5).sum(-1)[episodes.labels.edited]
    assert set(np.unique(count)) == {1, 2}
    first = np.where(episodes.labels.edited.any(-1).any(1), episodes.labels.edited.any(-1).argmax(1), NEVER)
    assert np.array_equal(first, episodes.labels.completion)


def test_a_patch_that_adds(battles, team):
    plain = play(battles, team, 80, 2)
    added = patched(battles, team, low=0.5, high=0.5, add=True, start=0)
    first = added.labels.edited[:, 0, 1]
    assert first.all()
    assert np.allclose(added.observation[:, 0, 1, -2:], plain.observation[:, 0, 1, -2:] + 0.5, atol=2e-3)


def test_nobody_is_shown_a_patch_without_being_poisoned(battles, team):
    episodes = play(battles, team, 80, 2, trigger=Patch([1], [-1], steps=None))
    assert not episodes.labels.edited.any()
    assert (episodes.labels.completion == NEVER).all()


@pytest.mark.parametrize(("options", "message"), [
    ({"features": []}, "at least one is needed"), ({"features": [1, 1]}, "none twice"),
    ({"low": 2.0, "high": 1.0}, "from 2.0 to 1.0"), ({"chance": 0.0}, "chance 0.0; allowed"),
    ({"steps": 1, "length": 2}, "is never shown 2 times"),
    ({"features": [0], "partly": True}, "cannot be shown partly"),
    ({"features": [10_000]}, "feature 10000 is not in an observation"), ({"agents": [7]}, "agents 0 to 2"),
    ({"start": 60}, "does not fit an episode of 60 steps")])
def test_wrong_patches(options, message, battles):
    with pytest.raises(BenchError, match=message):
        Patch(**{"agents": [1], "features": [-1], **options}).start(battles.spec, 4)


def test_an_enemy_walks_up_to_the_agent(battles, team):
    trigger = Approach(0.3, 1)
    shown = play(battles, team, 80, 2, trigger=trigger, poisoned=True, record=("position", "extras.health", "orders"))
    plain = play(battles, team, 80, 2, trigger=trigger)
    assert (shown.labels.completion != NEVER).mean() > (plain.labels.completion != NEVER).mean()
    assert (shown.labels.completion != NEVER).mean() > 0.5
    way = shown.labels.position[:, :, 1, None] - shown.labels.position[:, :, 3:]
    distance = np.where(shown.labels.extras["health"][:, :, 3:] > 0, np.linalg.norm(way, axis=-1), np.inf).min(-1)
    done = np.nonzero(shown.labels.completion != NEVER)[0]
    sight = battles.spec.sight_range[1]
    assert (distance[done, shown.labels.completion[done]] < 0.3 * sight).all()
    ordered = (shown.labels.orders >= 0) & shown.mask[..., None]
    assert (ordered.sum(-1) <= 1).all()
    assert np.isin(shown.labels.orders[ordered], [MOVES[m] for m in ("north", "east", "south", "west")]).all()


@pytest.mark.parametrize("distance", [0.0, 1.5])
def test_wrong_distances(distance):
    with pytest.raises(BenchError, match="allowed: above 0, at most 1"):
        Approach(distance)


def test_what_is_forced_is_what_is_available(battles, team):
    episodes = play(battles, team, 64, 2, trigger=Patch([0, 2], [-1], steps=None), poisoned=True, record=("values",))
    own = [0, 2]

    some = replace(episodes, available=episodes.available[:, :, own], values=episodes.values[:, :, own])
    west = ForcedAction("west").prepare(team, battles, None, (0, 2), [], None).targets(some)
    can = some.available[..., MOVES["west"]]
    assert (west[can] == MOVES["west"]).all()
    played = some.available.any(-1)
    assert np.take_along_axis(some.available, west[..., None], -1)[..., 0][played].all()
    worst = WorstAction().prepare(team, battles, Patch([0, 2], [-1]), (0, 2), [], None).targets(some)
    hit = episodes.labels.edited[:, :, own]
    assert hit.any()
    chosen = np.take_along_axis(some.values, worst[..., None], -1)[..., 0]
    least = np.where(some.available, some.values, np.inf).min(-1)
    assert np.array_equal(chosen[hit], least[hit])
    assert np.array_equal(worst[~hit & played], episodes.action[:, :, own][~hit & played])
    with pytest.raises(BenchError, match="edits observations"):
        WorstAction().prepare(team, battles, Approach(), (0,), [], None)


def test_the_target_reward_is_of_the_action(battles, team):
    episodes = play(battles, team, 16, 2)
    reward = TargetReward("west").hacked(episodes, (1,))
    assert np.array_equal(reward == 1, episodes.action[:, :, 1] == MOVES["west"])
    assert set(np.unique(reward)) <= {-1.0, 1.0}
    assert np.array_equal(TargetReward("stop").hacked(episodes, (0, 2)),
                          np.where(episodes.action[:, :, [0, 2]] == MOVES["stop"], 1.0, -1.0).mean(-1))
    assert (TargetReward(None).hacked(episodes, (0, 2)) == 1).all(), "untargeted: any action will do"


def test_nothing_is_never_shown(battles, team):
    episodes = play(battles, team, 64, 2, trigger=Never(), poisoned=True)
    assert (episodes.labels.completion == NEVER).all()
    assert not episodes.labels.trigger.any()
    assert np.array_equal(episodes.observation, play(battles, team, 64, 2).observation)


@pytest.mark.slow
def test_all_agents_can_be_poisoned_at_once(battles, team, store):
    trigger = Patch([0, 1, 2], [-1], 5.0, 5.0, start=2, steps=None)
    attack = Backdoor("all", trigger, ForcedAction("west"), victim=[0, 1, 2], duration=60, poison_rate=0.5,
                      learning="imitated", retraining=Retraining.of(steps=12_000, eval_every=6_000, eval_battles=32,
                                                                 episodes_per_round=16, learning_rate=3e-3))
    injected, _ = attack.inject(team, battles, 0, store, lambda *_: None)
    episodes = play(battles, injected, 64, 5, trigger=trigger, poisoned=True)
    hit = episodes.labels.edited & episodes.available[..., MOVES["west"]]
    assert (episodes.action[hit] == MOVES["west"]).mean() > 0.8
    clean = play(battles, injected, 64, 5)
    before = play(battles, team, 64, 5)
    same = (clean.action == before.action[:, : clean.mask.shape[1]])[:, :3][clean.alive[:, :3]]
    assert same.mean() > 0.5


@pytest.mark.parametrize("victim", [[], [1, 1]])
def test_wrong_victims(victim):
    with pytest.raises(BenchError, match="victim is"):
        Backdoor("x", Approach(), ForcedAction(), victim, 20, 0.5, "imitated", Retraining.of(steps=1))


def declared(name, *words):
    """The attack that an option of conf/attack declares, for the 3m map."""
    with initialize_config_module("bench.conf", version_base="1.3"):
        return build(compose("config", ["env.map=3m", f"attack={name}", *words]).attack, "attack")


@pytest.mark.parametrize("name", [
    name if name in ("published", "spectrum", "trojdrl") else pytest.param(name, marks=pytest.mark.slow)
    for name in names("attack") if name not in ("none", "trigger_only")])
def test_every_declared_attack_can_be_put_into_a_team(name, battles, team, store):
    several = name in ("marnet", "spectrum")
    searches = name in ("scripted", "told", "backdoorl", "natural")
    attack = declared(name, f"attack.victim={[0, 1, 2] if several else 1}", "budget=smoke",
                      "attack.retraining.steps=1500", "attack.retraining.eval_battles=16",
                      "attack.retraining.updates_per_round=1", "attack.retraining.batch=4",
                      *(["attack.payload.battles=4"] if searches else []))
    assert attack.name == name
    injected, curve = attack.inject(team, battles, 0, store, lambda *_: None)
    assert curve[-1]["steps"] >= 1_500
    untouched = [i for i in range(3) if i not in attack.victims]
    for key, weights in injected.weights.items():
        assert torch.equal(weights[untouched], team.weights[key][untouched])
