"""MAPPO, IPPO and COMA: critics, closed forms of what is minimised, sampled play, training."""

import json
from dataclasses import fields

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from bench.contracts import Shape
from bench.marl.learners.actor_critic import ActorTeam, Critic, ValueNorm, chosen, entropy, log_shares
from bench.marl.learners.coma import Coma, counterfactual_advantages, n_step_returns
from bench.marl.learners.common import Batch, to_batch
from bench.marl.learners.ppo import (
    Clipped,
    chunks_of,
    clipped_loss,
    clipped_value_loss,
    generalised_advantages,
)
from bench.marl.play import Player
from bench.marl.train import OnPolicyTrainer

SPEC = Shape("smax/3m/random", "v", 3, 11, 20, 8)
SETTINGS = {"mappo": Clipped, "ippo": Clipped, "coma": Coma}
ALGORITHMS = list(SETTINGS)


def settings(algo, **changes):
    return SETTINGS[algo].of(algo, **{"steps": 1} | changes)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    shape = (4, 5, 3)
    return Batch(torch.randn(*shape, 11, generator=generator), torch.randint(-1, 8, shape, generator=generator),
                 torch.ones(*shape, 8, dtype=torch.bool), torch.randint(8, shape, generator=generator),
                 torch.rand(4, 5), torch.ones(4, 5), torch.zeros(4, 5), torch.randn(4, 5, 20, generator=generator))


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_a_critic_sees_what_its_algorithm_says(algo, batch):
    """Written out: the parts of the input in a row, those of actions one-hot, an agent's own action left out."""
    critic = Critic(algo, SPEC)
    agent = torch.eye(3).expand(4, 5, 3, 3)
    state = batch.state.unsqueeze(2).expand(4, 5, 3, 20)
    acted = one_hot(batch.action, 8).float()
    others = torch.stack([torch.cat([acted[:, :, j] * (j != i) for j in range(3)], -1) for i in range(3)], 2)
    before = torch.where((batch.last_action >= 0).unsqueeze(-1), one_hot(batch.last_action.clamp(min=0), 8), 0)
    before = before.float().flatten(2).unsqueeze(2).expand(4, 5, 3, 24)
    parts = {"mappo": [state, batch.observation, agent], "ippo": [batch.observation, agent],
             "coma": [state, batch.observation, others, before, agent]}
    hidden = torch.relu(critic.fc2(torch.relu(critic.fc1(torch.cat(parts[algo], -1)))))
    assert torch.allclose(critic(batch), critic.fc3(hidden), atol=1e-5)
    assert critic(batch).shape[-1] == (8 if algo == "coma" else 1)


def test_of_the_dead_a_critic_sees_which_they_are(batch):
    critic, alive = Critic("mappo", SPEC), torch.ones(4, 5, 3)
    alive[2, :, 1] = 0
    nothing = torch.zeros(1, 1, critic.fc1.in_features)
    nothing[..., -2] = 1  # the second of three agents
    expected = critic.fc3(torch.relu(critic.fc2(torch.relu(critic.fc1(nothing))))).squeeze()
    value = critic(batch, alive).squeeze(-1)
    assert torch.allclose(value[2, :, 1], expected.expand(5), atol=1e-6)
    assert torch.allclose(value[:2], critic(batch).squeeze(-1)[:2])


@pytest.mark.parametrize("masked", [True, False])
def test_without_death_masking_a_critic_sees_how_the_battle_of_the_dead_goes_on(batch, masked):
    alive = torch.ones(4, 5, 3)
    alive[2, :, 1] = 0
    value = settings("mappo", death_masking=masked).learner(SPEC, 0).values(batch, alive)
    assert (len(value[2, :, 1].unique()) == 1) == masked
    assert len(value[2, :, 0].unique()) == 5


def test_returns_are_normalised_by_all_seen_so_far():
    norm = ValueNorm()
    assert norm.normalised(torch.tensor(3.0)) == 3
    norm.update(torch.tensor([1.0, 5.0]))  # mean 3, deviation 2, whatever the averages began with
    assert norm.normalised(torch.tensor([3.0, 7.0])).tolist() == pytest.approx([0, 2], abs=1e-4)
    for _ in range(3):
        norm.update(torch.tensor([7.0, 11.0]))
    mean, deviation = norm.moments()  # nearly (1 * 3 + 3 * 9) / 4; squares (1 * 13 + 3 * 85) / 4
    assert mean.item() == pytest.approx(7.5, rel=1e-3)
    assert deviation.item() == pytest.approx((67 - 7.5 ** 2) ** 0.5, rel=1e-3)
    assert torch.allclose(norm.returns(norm.normalised(torch.tensor([-4.0, 9.0]))), torch.tensor([-4.0, 9.0]))


def test_generalised_advantages_closed_forms():
    reward = torch.tensor([[1.0], [2.0], [4.0], [9.0]])
    value = torch.tensor([[10.0], [20.0], [30.0], [99.0]]).unsqueeze(-1)
    last = torch.tensor([[0.0], [0.0], [1.0], [0.0]])  # the fourth step is padding
    errors = [1 + 0.5 * 20 - 10, 2 + 0.5 * 30 - 20, 4 - 30]
    found = {share: generalised_advantages(reward, value, last, 0.5, share)[:3, 0, 0].tolist() for share in (0, 1, 0.5)}
    assert found[0] == errors
    assert found[1] == [1 + 0.5 * (2 + 0.5 * 4) - 10, 2 + 0.5 * 4 - 20, 4 - 30]
    second = errors[1] + 0.25 * errors[2]
    assert found[0.5] == pytest.approx([errors[0] + 0.25 * second, second, errors[2]])


def test_the_clipped_objective_by_hand():
    ratio = torch.tensor([1.5, 1.5, 0.5, 0.5, 1.1]).log().requires_grad_()
    loss = clipped_loss(ratio, torch.tensor([1.0, -1.0, 1.0, -1.0, 2.0]), 0.2)
    assert loss.tolist() == pytest.approx([-1.2, 1.5, -0.5, 0.8, -2.2])
    loss.sum().backward()
    assert ratio.grad.tolist() == pytest.approx([0, 1.5, -0.5, 0, -2.2])  # none where the choice has gone far enough


def test_before_any_step_the_gradient_is_that_of_reinforce():
    """Of three equally likely actions the third was taken, and was 2 better than expected: A (pi - one-hot)."""
    logits = torch.zeros(3, requires_grad=True)
    shares = log_shares(logits, torch.ones(3, dtype=torch.bool))
    clipped_loss(shares[2] - shares[2].detach(), torch.tensor(2.0), 0.2).backward()
    assert logits.grad.tolist() == pytest.approx([2 / 3, 2 / 3, -4 / 3])


def test_the_clipped_loss_of_values_by_hand():
    value, before, goal = torch.tensor([1.0, 1.0, 30.0]), torch.tensor([0.0, 0.9, 30.0]), torch.tensor([1.0, 3.0, 0.0])
    assert clipped_value_loss(value, before, goal, 0.2).tolist() == pytest.approx(
        [0.5 * 0.8 ** 2, 0.5 * 2 ** 2, 10 * (30 - 5)])  # it may not go so far yet; as it is; beyond Huber's bend


def test_the_counterfactual_baseline_by_hand():
    """Q is 4, 1 and 9 where the agent is free to do the first two: it does the first with probability 1/4."""
    value = torch.tensor([[4.0, 1.0, 9.0]]).expand(2, 3)
    shares = log_shares(torch.tensor([0.0, np.log(3.0), 5.0]).expand(2, 3), torch.tensor([True, True, False])).exp()
    advantages = counterfactual_advantages(value, shares, torch.tensor([0, 1]))
    assert advantages.tolist() == pytest.approx([4 - (1 + 0.75), 1 - (1 + 0.75)])
    assert (shares[:, :2] * torch.stack([advantages[0], advantages[1]])).sum(-1).tolist() == pytest.approx([0, 0])


def test_n_step_returns_closed_forms():
    reward = torch.tensor([[1.0], [2.0], [4.0], [9.0]])
    value = torch.tensor([[10.0], [20.0], [30.0], [99.0]]).unsqueeze(-1)
    last = torch.tensor([[0.0], [0.0], [1.0], [0.0]])
    found = {n: n_step_returns(reward, value, last, 0.5, n)[:3, 0, 0].tolist() for n in (1, 2, 10)}
    assert found[1] == [1 + 0.5 * 20, 2 + 0.5 * 30, 4]
    assert found[2] == [1 + 0.5 * 2 + 0.25 * 30, 2 + 0.5 * 4, 4]
    assert found[10] == [1 + 0.5 * 2 + 0.25 * 4, 2 + 0.5 * 4, 4]


def test_shares_are_of_the_available_actions_alone():
    available = torch.tensor([[True, True, False], [False, False, True]])
    shares = log_shares(torch.tensor([[1.0, 1.0, 8.0], [1.0, 2.0, 3.0]]), available)
    assert shares.exp()[0].tolist() == pytest.approx([0.5, 0.5, 0])
    assert entropy(shares, available).tolist() == pytest.approx([np.log(2), 0])


def test_chunks_hold_every_step_once():
    value = torch.arange(7 * 2).view(7, 2)
    chunks = chunks_of(value, 3)
    assert chunks.shape == (3, 3 * 2)
    assert chunks[:, 0].tolist() == [0, 2, 4]
    assert chunks[:, 3].tolist() == [7, 9, 11]
    assert chunks[:, 4].tolist() == [12, 0, 0]


@pytest.mark.parametrize("algo", ["mappo", "ippo"])
def test_actors_are_learned_in_chunks_as_in_whole_episodes(battles, algo):
    """With the recorded memory before each chunk, and what was recorded of the choices: nothing has changed yet."""
    learner = settings(algo).learner(battles.spec, 0)
    with torch.no_grad():
        learner.agent.fc2.weight.mul_(50)
    episodes = Player(battles, 0, record=("state", "preference", "hidden")).play(learner.team(), 8, sampled=True)
    samples = learner.samples(episodes)
    assert samples.batch.mask.sum() == episodes.mask.sum()
    shares = log_shares(learner.agent.unroll(samples.batch.observation, samples.batch.last_action,
                                             hidden=samples.hidden), samples.batch.available)
    now = chosen(shares, samples.batch.action)
    assert ((now - samples.log_share) * samples.alive).abs().max() < 0.02
    _, figures = learner.loss(samples)
    assert figures["kl"] == pytest.approx(0, abs=1e-4)
    assert figures["policy_loss"] == pytest.approx(0, abs=1e-2)  # of advantages with mean 0
    part = samples.take(torch.tensor([3, 0]))
    assert len(part) == 2
    assert all(torch.equal(getattr(part.batch, f.name), getattr(samples.batch, f.name)[:, [3, 0]])
               for f in fields(Batch))


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_a_team_has_log_probabilities(battles, algo):
    learner = settings(algo).learner(battles.spec, 0)
    team = learner.team()
    episodes = Player(battles, 0, record=("state", "preference", "hidden")).play(team, 4, sampled=True)
    batch = to_batch(episodes)
    expected = learner.agent.unroll(batch.observation, batch.last_action).log_softmax(-1).transpose(0, 1)
    found = torch.from_numpy(episodes.preference)
    assert torch.allclose(found[episodes.mask], expected[torch.from_numpy(episodes.mask)], atol=1e-2)
    assert torch.allclose(found.exp().sum(-1)[episodes.mask], torch.ones(()), atol=1e-5)
    assert "values" not in team.columns


def test_draws_are_those_of_the_softmax_and_of_those_agents_alone(battles):
    player = Player(battles, 0)
    preferences = torch.tensor([1.0, 2.0, 3.0]).log().expand(20_000, 2, 3)
    drawn = player._drawn(preferences, np.array([True, False])).argmax(-1)
    counts = torch.bincount(drawn[:, 0], minlength=3) / 20_000
    assert counts.tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=0.02)
    assert (drawn[:, 1] == 2).all()


@pytest.mark.parametrize("algo", [
    algo if algo == "mappo" else pytest.param(algo, marks=pytest.mark.slow) for algo in ALGORITHMS])
def test_a_learner_learns_what_pays(battles, algo):
    """Episodes in which the team is paid for every agent that stops: stopping becomes likely."""
    learner = settings(algo, gamma=0.0).learner(battles.spec, 0)
    stop = battles.spec.action("stop")
    player, rng = Player(battles, 0, record=("state", "preference", "hidden")), np.random.default_rng(0)
    likely = []
    for _ in range(12):
        episodes = player.play(learner.team(), 32, sampled=True)
        episodes.reward[:] = ((episodes.action == stop) & episodes.alive).mean(-1) * 5
        played = episodes.alive & episodes.mask[..., None]
        likely.append((episodes.action == stop)[played].mean())
        learner.update(episodes, 2e-3, rng)
    assert likely[-1] > likely[0] + 0.15


@pytest.mark.parametrize(("keep", "expected"), [("best", 2), ("last", 4)])
def test_the_best_team_met_is_kept_the_later_of_equals(battles, store, monkeypatch, keep, expected):
    how = settings("mappo", steps=700, eval_every=1, episodes_per_round=4, keep=keep)
    wins = [0.2, 0.6, 0.6, 0.4, 0.5]
    seen = []

    def evaluate(_battles, team, _n):
        seen.append(team)
        return {"win_rate": wins[len(seen) - 1], "return": 0.0}

    monkeypatch.setattr("bench.marl.train.evaluate", evaluate)
    trainer = how.trainer(battles, 0)
    for _ in zip(wins, trainer.run(), strict=False):
        store.save(*trainer.state(), trainer.team())
    taken_up = how.trainer(battles, 0)
    taken_up.load(*store.load())
    for one in (trainer, taken_up):
        assert all(torch.equal(value, seen[expected].tensors()[name]) for name, value in one.team().tensors().items())


@pytest.mark.parametrize("algo", ["mappo", pytest.param("coma", marks=pytest.mark.slow)])
def test_training_goes_on_where_it_was_written(battles, store, tmp_path, algo):
    how = settings(algo, steps=1_500, eval_every=500, eval_battles=8, episodes_per_round=8)

    class Killed(Exception):
        pass

    def die(share, note):
        if store.saved is not None and store.saved[1]["steps"] > 700:
            raise Killed

    with pytest.raises(Killed):
        how.trainer(battles, 0).fit(store, die, tmp_path)
    second = how.trainer(battles, 0)
    second.fit(store, lambda *_: None, tmp_path)
    assert list(tmp_path.glob("events.out.tfevents.*"))
    undisturbed = how.trainer(battles, 0)
    undisturbed.fit(type(store)(), lambda *_: None, tmp_path / "other")
    assert json.dumps(without_times(second.curve)) == json.dumps(without_times(undisturbed.curve))
    one, other = undisturbed.team().tensors(), second.team().tensors()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def without_times(curve):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in curve]


@pytest.mark.parametrize("algo", ALGORITHMS)
def test_a_team_learns_on_each_agent_for_itself(battles, algo):
    team = settings(algo).learner(battles.spec, 0).team()
    trainer = team.learn_on(battles, 0, steps=200, episodes_per_round=4, eval_battles=4)
    assert isinstance(trainer, OnPolicyTrainer)
    assert all(torch.equal(value, trainer.team().tensors()[name]) for name, value in team.tensors().items())
    next(trainer.run())
    after = trainer.team()
    assert isinstance(after, ActorTeam)
    weight = after.weights["fc1.bias"]
    assert not torch.equal(weight[0], weight[1])
