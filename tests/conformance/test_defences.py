"""What repairs and responses promise, and what is said of those that do not keep it."""

import numpy as np
import pytest
import torch

from bench.conformance.defences import REPAIR, RESPONSE, repair_outcomes, response_outcomes
from detectors import TriggerSearch
from detectors.repairs import Consensus, Finetune, Prune, Sanitise, Unlearn
from detectors.responses import Fallback, Freeze, Halt, Projection, Teammate


def broken(outcomes):
    return {outcome.check: outcome.message for outcome in outcomes if outcome.status == "failed"}


def of_repair(make, battles, team):
    return broken(repair_outcomes(make, battles, team, lambda *_: None))


@pytest.mark.parametrize("make", [Consensus, Prune, Sanitise, pytest.param(
    lambda: Finetune(steps=500), marks=pytest.mark.slow), pytest.param(lambda: Unlearn(
        steps=500, search=TriggerSearch(length=1, screening=8, rounds=((1, 8),), baseline=8)), marks=pytest.mark.slow)])
def test_our_repairs_keep_the_contract(battles, team, make):
    outcomes = list(repair_outcomes(make, battles, team, lambda *_: None))
    assert [outcome.status for outcome in outcomes] == ["passed"] * len(REPAIR), outcomes


@pytest.mark.parametrize("make", [
    lambda: Fallback(8), lambda: Halt(8), lambda: Teammate(8), lambda: Freeze(8, "stop"),
    lambda: Projection(8, temperature=1, bandwidth=0.1, points=50, quantile=0.9, seed=0)])
def test_our_responses_keep_the_contract(battles, team, make):
    outcomes = list(response_outcomes(make, battles, team))
    assert [outcome.status for outcome in outcomes] == ["passed"] * len(RESPONSE), outcomes


class Repair:
    """Does nothing; what is wrong comes from its subclasses."""

    name = "mine"

    def __call__(self, team, battles, episodes, seed, progress):
        return team.with_weights({})


class Misnamed(Repair):
    name = "../mine"


class OfNothing(Repair):
    def __call__(self, team, battles, episodes, seed, progress):
        return team.weights


class Infinite(Repair):
    def __call__(self, team, battles, episodes, seed, progress):
        return team.with_weights({"fc2.bias": team.weights["fc2.bias"] / 0})


class InPlace(Repair):
    def __call__(self, team, battles, episodes, seed, progress):
        team.weights["fc2.bias"] += 1
        return team.with_weights({})


class ByChance(Repair):
    def __call__(self, team, battles, episodes, seed, progress):
        return team.with_weights({"fc2.bias": torch.rand_like(team.weights["fc2.bias"])})


class Failing(Repair):
    def __call__(self, team, battles, episodes, seed, progress):
        raise ValueError("no luck")


@pytest.mark.parametrize(("make", "check", "message"), [
    (Misnamed, "name", "cannot be part of a file's name"), (OfNothing, "team", "an object of type"),
    (Infinite, "team", "tensor 'agent.fc2.bias' holds numbers that are not finite"),
    (InPlace, "delivered", "it changed tensor 'agent.fc2.bias'"), (ByChance, "seed", "tensor 'agent.fc2.bias' differs"),
    (Failing, "team", "ValueError: no luck")])
def test_what_is_wrong_with_a_repair_is_said(battles, team, make, check, message):
    assert message in of_repair(make, battles, team)[check]


class Response:
    """Lets the team act; what is wrong comes from its subclasses."""

    name, battles, halts = "mine", 8, False

    def start(self, team, clean, n):
        pass

    def act(self, action, observation, last_action, available, fresh, suspected):
        return action.copy()


class Endless(Response):
    battles = 0


class Impossible(Response):
    def act(self, action, observation, last_action, available, fresh, suspected):
        return np.full_like(action, 99)


class Flat(Response):
    def act(self, action, observation, last_action, available, fresh, suspected):
        return action[:, 0]


class Meddling(Response):
    def act(self, action, observation, last_action, available, fresh, suspected):
        last_action[:] = 0
        return action


class Remembering(Response):
    steps = 0

    def act(self, action, observation, last_action, available, fresh, suspected):
        self.steps += 1
        last = available.shape[2] - 1 - available[..., ::-1].argmax(-1)
        return np.where(suspected & (self.steps > 12), last, available.argmax(-1))


@pytest.mark.parametrize(("make", "check", "message"), [
    (Endless, "values", "battles is 0"), (Impossible, "actions", "an action is not available"),
    (Flat, "actions", "actions are int64 of shape (8,)"), (Meddling, "actions", "act changed what it was given"),
    (Remembering, "start", "after start it acts otherwise")])
def test_what_is_wrong_with_a_response_is_said(battles, team, make, check, message):
    assert message in broken(response_outcomes(make, battles, team))[check]
