"""An injection that is taken up again leaves the same bytes as an undisturbed one."""

import json
from dataclasses import replace

import pytest
import torch
from bench.attacks.backdoor import Backdoor
from bench.attacks.injection import Retraining
from bench.attacks.payloads.expert import HackedTeamReward
from bench.attacks.payloads.fast_failing import FastFailing
from bench.attacks.payloads.guidance import GuidedReward
from bench.attacks.payloads.novelty import NoveltyReward
from bench.attacks.payloads.opening import OpenedFailing, Opening, Plan, Walk
from bench.attacks.payloads.reward import HackedReward
from bench.attacks.rules.published import DEPARTURES
from bench.attacks.triggers.announced import Announced
from bench.attacks.triggers.approach import Approach
from bench.attacks.triggers.behaviour import BehaviourPattern
from bench.attacks.triggers.patch import Patch
from bench.attacks.triggers.policy import TriggerPolicy

from bench.harness.teams import Store
from bench.marl.learners.coma import Coma
from bench.marl.learners.ppo import Clipped

TINY = Retraining.of(steps=1_000, eval_every=300, eval_battles=2, batch=4, buffer=40, episodes_per_round=8,
                  updates_per_round=2, target_every=3)


class Opened(OpenedFailing):
    """Without the search."""

    def prepare(self, team, battles, trigger, victims, history, progress):
        return Plan(Opening("west", advance=True, stand=True, near=0.8), Walk("west", 4), victims[0], 9.0)


def pattern():
    return BehaviourPattern("distance[1] < 1.0", ["west", "east"], 1, seen_from=1)


def patch():
    return Patch(None, [-1, -2, -3], -1.0, 1.0, start=2, length=3, steps=None, chance=0.5, partly=True)


KINDS = {
    "imitated": lambda: ("imitated", pattern(), FastFailing(first=2, fewest=1, most=2, battles=8), 1),
    "opened": lambda: ("imitated", Announced(pattern(), 1), Opened(), 1),
    "rewarded": lambda: ("distilled", pattern(), HackedReward(balance=0.5), 1),
    "guided": lambda: ("distilled", Approach(0.5, 1), GuidedReward(), 1),
    "learned": lambda: ("distilled", TriggerPolicy(1, generations=1, population=4), NoveltyReward(), 1),
    "published": lambda: ("published", pattern(), HackedReward(balance=0.5), 1),
    "departing": lambda: ("published", pattern(), HackedReward(balance=0.5, reward_max=None), 1,
                          {"optimizer": "rmsprop", "td_lambda": 0.6, "keep": "last"}, DEPARTURES),
    "contained": lambda: ("contained", pattern(), HackedReward(balance=0.5), 1,
                          {"choice_weight": 0.1, "average": 0.9, "hold": 3}, ()),
    "expert": lambda: ("published", patch(), HackedTeamReward(), [0, 1, 2])}


class Killed(Exception):
    pass


class Dying(Store):
    """Ends with its second save of a run that learns: before it, half way through it, or just after it."""

    saves = 0

    def __init__(self, base, when):
        super().__init__(base)
        self.when = when

    def save(self, tensors, values, team):
        self.saves += values["steps"] > 0
        if self.saves == 2 and self.when == "before":
            raise Killed
        super().save(tensors, values, team)
        if self.saves == 2 and self.when == "after":
            raise Killed

    def keep_parts(self, names):
        if self.saves == 2 and self.when == "amid":
            raise Killed
        super().keep_parts(names)


def injected(kind, battles, team, store):
    learning, trigger, payload, victim, *more = KINDS[kind]()
    changes, departures = more or ({}, ())
    attack = Backdoor("x", trigger, payload, victim, 20, 0.5, learning, replace(TINY, **changes), departures)
    made, curve = attack.inject(team, battles, 3, store, lambda *_: None)
    return made, json.dumps([curve, getattr(trigger, "learned", None)])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "algo"), [("departing", "mappo"), ("contained", "ippo"), ("published", "coma"),
                                            ("opened", "mappo")])
def test_so_it_is_of_actors(battles, tmp_path, kind, algo):
    settings = Coma if algo == "coma" else Clipped
    team = settings.of(algo, steps=1).learner(battles.spec, 0).team()
    test_an_injection_taken_up_again_is_the_same_injection(battles, team, tmp_path, kind)


@pytest.mark.parametrize("kind", [kind if kind in ("contained", "imitated")
                                  else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS])
def test_an_injection_taken_up_again_is_the_same_injection(battles, team, tmp_path, kind):
    whole, curve = injected(kind, battles, team, Store(tmp_path / "whole"))
    when = ("before", "amid", "after")[list(KINDS).index(kind) % 3]
    with pytest.raises(Killed):
        injected(kind, battles, team, Dying(tmp_path / "t", when))
    again, same = injected(kind, battles, team, Store(tmp_path / "t"))
    assert same == curve
    assert all(torch.equal(value, again.weights[name]) for name, value in whole.weights.items())
    (tensors, values), (others, theirs) = (Store(tmp_path / name).load() for name in ("t", "whole"))
    assert json.dumps(values) == json.dumps(theirs)
    assert tensors.keys() == others.keys()
    assert not [name for name, value in others.items() if not torch.equal(value, tensors[name])]
    left = {file.name.replace("whole", "t") for file in tmp_path.iterdir() if file.name.startswith("whole")}
    assert left == {file.name for file in tmp_path.iterdir() if file.name.startswith("t")}
