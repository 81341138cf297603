"""Repairs of teams: what they leave alone, and what they take away."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from bench.errors import BenchError
from bench.harness.repair import _repaired
from bench.marl.learners.common import descend_flatly, to_batch
from bench.marl.learners.q import Learning, TeamLearner
from bench.marl.play import Player, play
from detectors import TriggerSearch
from detectors.repairs import Consensus, Finetune, Prune, Sanitise, Unlearn
from detectors.repairs.unlearn import shown

STEPS = 12_000  # of learning: it begins once so many episodes are remembered


def quiet(*_):
    """No progress."""


@pytest.fixture
def known(battles, team):
    return play(battles, team, 12, 4, record=("hidden",))


def steps(team, observation, alter=lambda hidden: hidden):
    """Q values (step, battle, agent, action) of a fixed sequence of observations."""
    hidden = team.start(observation.shape[1])
    last = np.full(observation.shape[1:3], -1)
    values = []
    for seen in observation:
        q, hidden = team.act(seen, last, alter(hidden))
        values.append(q.numpy())
    return np.stack(values)


@pytest.fixture
def observation(battles):
    return np.random.default_rng(0).normal(size=(4, 5, 3, battles.spec.observation_size)).astype(np.float32)


def test_pruned_units_are_neither_read_nor_remembered(battles, team, known, observation):
    repaired = Prune(0.25)(team, battles, known, 0, quiet)
    lives = known.alive & known.mask[..., None]
    for agent in range(3):
        cut = (repaired.weights["fc2.weight"][agent] == 0).all(0)
        assert cut.sum() == 16
        activity = np.abs(known.hidden[:, :, agent][lives[..., agent]].astype(float)).mean(0)
        assert activity[cut.numpy()].max() <= activity[~cut.numpy()].min() + 1e-6
    cut = (repaired.weights["fc2.weight"] == 0).all(1)
    without = replace(team, weights=team.weights | {"fc2.weight": repaired.weights["fc2.weight"]})
    expected = steps(without, observation, lambda hidden: hidden.masked_fill(cut[:, None], 0))
    assert steps(repaired, observation) == pytest.approx(expected, abs=1e-5)
    assert not np.allclose(steps(team, observation), expected, atol=1e-3)


def test_what_is_never_seen_without_the_trigger_is_not_seen_at_all(battles, team, known, observation):
    feature = np.arange(3)
    known.observation[..., feature] = 0.5  # as a sensor's that never changes
    repaired = Sanitise(0.999)(team, battles, known, 0, quiet)
    patched = observation.copy()
    patched[..., feature] = 3
    assert steps(repaired, patched) == pytest.approx(steps(repaired, observation), abs=1e-4)
    assert not np.allclose(steps(team, patched), steps(team, observation), atol=1e-2)
    usual = known.observation[:5, :4].astype(np.float32).swapaxes(0, 1)
    assert steps(repaired, usual) == pytest.approx(steps(team, usual), abs=0.05), "what is usual is seen as it is"
    less = Sanitise(0.3)(team, battles, known, 0, quiet)
    assert np.abs(steps(less, usual) - steps(team, usual)).max() > np.abs(
        steps(repaired, usual) - steps(team, usual)).max()


@pytest.mark.parametrize("algo", ["vdn", "qmix"])
def test_agents_learn_on_from_where_they_are_each_for_itself(battles, team, qmix_team, algo):
    one = {"vdn": team, "qmix": qmix_team}[algo]
    odd = one.with_agent(1, {"vdn": qmix_team, "qmix": team}[algo].agent(0))
    learner = TeamLearner(Learning.of(algo, steps=1), odd)
    assert all(torch.equal(learner.team().weights[name], w) for name, w in odd.weights.items())
    episodes = Player(battles, 0, record=("state", "preference")).play(odd, 16, epsilon=0.1)
    batch = to_batch(episodes)
    with torch.no_grad():
        q = learner.agent.unroll(batch.observation, batch.last_action)
    there = episodes.mask
    assert q.transpose(0, 1).numpy()[there] == pytest.approx(episodes.preference[there], abs=5e-3)
    losses = [learner.update(episodes, 1e-3) for _ in range(20)]
    assert losses[-1] < losses[0]
    now = learner.team()
    moved = [(now.weights["fc2.bias"][i] - odd.weights["fc2.bias"][i]).abs().max() for i in range(3)]
    assert min(moved) > 1e-4, "every agent learns"
    assert not torch.equal(now.weights["fc1.weight"][0], now.weights["fc1.weight"][1])
    assert now.mixer.keys() == odd.mixer.keys()


def test_fine_tuning_explores_as_little_from_its_first_step_on():
    assert Learning.of("vdn", steps=1, epsilon=0.05, epsilon_steps=0).exploration(0) == 0.05
    slower = Learning.of("vdn", steps=1, epsilon=0.1, epsilon_steps=100)
    assert [slower.exploration(steps) for steps in (0, 50, 200)] == [1, 0.55, 0.1]


def test_a_flat_step_follows_the_gradient_of_the_worst_point_nearby():
    """Of a w^2 / 2 + b v^2 / 2, with the radius along (a w, b v): in closed form."""
    curvature, start, radius, rate = torch.tensor([2.0, 0.5]), torch.tensor([0.3, -1.2]), 0.1, 0.25
    w, v = (one.clone().requires_grad_() for one in start)
    loss = descend_flatly(lambda: (curvature * torch.stack([w, v]).square()).sum() / 2, [w, v],
                          torch.optim.SGD([w, v], 1.0), rate, radius)
    gradient = curvature * start
    worst = start + radius * gradient / gradient.norm()
    assert torch.stack([w, v]).detach().numpy() == pytest.approx((start - rate * curvature * worst).numpy())
    assert loss.item() == pytest.approx((curvature * start.square()).sum().item() / 2), "where it was, not the worst"


def test_fine_tuning_with_a_radius(battles, team):
    episodes = Player(battles, 0, record=("state",)).play(team, 16, epsilon=0.1)
    learners = {sam: TeamLearner(Learning.of("vdn", steps=1, sam=sam), team) for sam in (0.0, 1e-9, 0.05)}
    losses = {sam: [one.update(episodes, 1e-3) for _ in range(10)] for sam, one in learners.items()}
    assert losses[1e-9] == pytest.approx(losses[0.0], rel=1e-3), "none, and one of nearly nothing"
    assert losses[0.05][0] == losses[0.0][0]
    assert losses[0.05] != pytest.approx(losses[0.0], rel=1e-3)
    assert losses[0.05][-1] < losses[0.05][0]


@pytest.mark.slow
def test_fine_tuning_is_the_same_again(battles, team, known):
    how = Finetune(steps=STEPS)
    one, two = (how(team, battles, known, 3, quiet) for _ in range(2))
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert one.spec == team.spec
    assert not torch.equal(one.weights["fc1.weight"], team.weights["fc1.weight"])


SMALL = TriggerSearch(length=1, screening=16, rounds=((2, 8),), baseline=8)


@pytest.mark.slow
def test_unlearning_differs_from_fine_tuning_by_the_battles_that_show_what_was_found(battles, team, known):
    said = []
    tuned = Finetune(steps=STEPS)(team, battles, known, 3, quiet)
    nothing, half = (Unlearn(steps=STEPS, search=SMALL, share=share)(
        team, battles, known, 3, lambda _, what: said.append(what)) for share in (0.0, 0.5))
    assert all(torch.equal(w, tuned.weights[name]) for name, w in nothing.weights.items()), "none of them does"
    assert not torch.equal(half.weights["fc1.weight"], tuned.weights["fc1.weight"])
    assert any(what.startswith("found: ") for what in said)


def test_what_was_found_is_shown_in_every_battle(battles, team):
    spec = battles.spec
    moves = [spec.moves[0], spec.moves[-1]]
    drive = shown({"agent": 1, "moves": moves, "reach": 9.0}, spec)
    episodes = play(battles, team, 20, 3, trigger=drive, poisoned=True, record=("orders",))
    played = [orders[mask] for orders, mask in zip(episodes.labels.orders, episodes.mask, strict=True)]
    given = [orders.max(1)[(orders >= 0).any(1)].tolist() for orders in played]
    whole = [battle for battle in given if len(battle) == 2]  # where the unit and the agent have lived so long
    assert len(whole) > 15
    assert whole == [[spec.order(name) for name in moves]] * len(whole)


@pytest.mark.parametrize("repair", [Prune(), Sanitise(), Finetune(), Unlearn()])
def test_a_team_of_another_kind_is_refused(battles, known, repair):
    other = SimpleNamespace(algo="mine", architecture="table")
    with pytest.raises(BenchError, match=rf"repair={repair.name} changes the networks of a \w+, and this mine team "
                                         r"\(table\) is none"):
        repair(other, battles, known, 0, quiet)


@pytest.mark.parametrize(("answer", "message"), [
    (lambda: None, "repair mine returned an object of type NoneType; needed is a team of the architecture rnn_q"),
    (lambda: 1 / 0, "repair mine failed: ZeroDivisionError: division by zero")])
def test_a_repair_that_does_not_give_a_team(battles, team, known, answer, message):
    class Mine:
        name = "mine"

        def __call__(self, *_):
            return answer()

    with pytest.raises(BenchError, match=message):
        _repaired(Mine(), team, battles, known, 0, quiet)


@pytest.mark.parametrize("make", [lambda: Prune(1.0), lambda: Prune(0.0), lambda: Sanitise(1.5),
                                  lambda: Finetune(steps=0), lambda: Finetune(sam=-0.1), lambda: Unlearn(share=1.5)])
def test_values_that_make_no_sense(make):
    with pytest.raises(ValidationError):
        make()


def test_the_consensus_undoes_what_one_agent_was_taught(battles, team, qmix_team, known):
    taught = team.with_agent(2, qmix_team.agent(0))
    repaired = Consensus()(taught, battles, known, 0, quiet)
    assert all(torch.equal(w, team.weights[name]) for name, w in repaired.weights.items())
    assert not torch.equal(taught.weights["fc2.weight"], team.weights["fc2.weight"])
    all_taught = team.with_agent(range(3), qmix_team.agent(0))
    repaired = Consensus()(all_taught, battles, known, 0, quiet)
    assert all(torch.equal(w, all_taught.weights[name]) for name, w in repaired.weights.items()), "nothing to compare"
