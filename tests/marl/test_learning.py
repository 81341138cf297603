"""Networks, targets, replay, the learner and training."""

import json

import numpy as np
import pytest
import torch

from bench.contracts import Shape
from bench.errors import UnfitState
from bench.marl.learners import q as learning_rules
from bench.marl.learners.common import td_lambda_targets
from bench.marl.learners.q import Learning, QLearner, QMixer, QTeam
from bench.marl.networks import RNNAgent
from bench.marl.play import Player
from bench.marl.replay import Replay, ReplayLog, by_length, join

SPEC = Shape("smax/3m/random", "v", 3, 11, 20, 8)


def test_a_team_step_by_step_is_the_unrolled_network():
    torch.manual_seed(0)
    networks = [RNNAgent(SPEC) for _ in range(3)]
    team = QTeam.shared("vdn", SPEC, networks[0], torch.nn.Module())
    for i in (1, 2):
        team = team.with_agent(i, networks[i])
    observation = torch.randn(7, 5, 3, 11)
    last = torch.randint(-1, 8, (7, 5, 3))
    hidden = team.start(5)
    stepped = []
    for t in range(7):
        q, hidden = team.act(observation[t].numpy(), last[t].numpy(), hidden)
        stepped.append(q)
    for i in range(3):
        agents = slice(i, i + 1)
        unrolled = networks[i].unroll(observation[:, :, agents], last[:, :, agents], agents)
        assert torch.allclose(torch.stack(stepped)[:, :, agents], unrolled, atol=1e-5)
        assert torch.equal(team.agent(i).fc1.weight, networks[i].fc1.weight)


def test_the_network_is_pymarls():
    """Written out by hand: concatenated input, Linear, ReLU, GRUCell, Linear."""
    network = RNNAgent(SPEC)
    observation, last = torch.randn(2, 4, 3, 11), torch.randint(0, 8, (2, 4, 3))
    hidden, expected = torch.zeros(12, 64), []
    for t in range(2):
        x = torch.cat([observation[t], torch.nn.functional.one_hot(last[t], 8).float(),
                       torch.eye(3).expand(4, 3, 3)], -1).view(12, -1)
        hidden = network.rnn(torch.relu(network.fc1(x)), hidden)
        expected.append(network.fc2(hidden).view(4, 3, -1))
    assert torch.allclose(network.unroll(observation, last), torch.stack(expected), atol=1e-5)


def test_qmix_is_monotonic_in_every_agents_value():
    mixer = QMixer(3, 20)
    q = torch.randn(50, 3, requires_grad=True)
    mixer(q, torch.randn(50, 20)).sum().backward()
    assert (q.grad >= 0).all()
    assert (q.grad > 0).any()


def test_td_targets_closed_forms():
    reward, value = torch.tensor([[1.0], [2.0], [4.0], [9.0]]), torch.tensor([[10.0], [20.0], [30.0], [99.0]])
    last = torch.tensor([[0.0], [0.0], [1.0], [0.0]])  # the fourth step is padding
    one_step = td_lambda_targets(reward, value, last, 0.5, 0.0)[:3, 0]
    assert one_step.tolist() == [1 + 0.5 * 20, 2 + 0.5 * 30, 4]
    monte_carlo = td_lambda_targets(reward, value, last, 0.5, 1.0)[:3, 0]
    assert monte_carlo.tolist() == [1 + 0.5 * (2 + 0.5 * 4), 2 + 0.5 * 4, 4]
    mixed = td_lambda_targets(reward, value, last, 0.5, 0.25)[:3, 0]
    second = 2 + 0.5 * (0.75 * 30 + 0.25 * 4)
    assert mixed.tolist() == pytest.approx([1 + 0.5 * (0.75 * 20 + 0.25 * second), second, 4])


def test_joined_episodes_are_padded_to_the_longest(make_episodes):
    short, long = make_episodes([2, 3]), make_episodes([5], seed=1)
    both = join([short, long])
    assert both.length.tolist() == [2, 3, 5]
    assert np.array_equal(both.observation[:2, :3], short.observation)
    assert not both.observation[:2, 3:].any()
    assert np.array_equal(both.action[2], long.action[0])
    assert np.array_equal(both.labels.won, np.concatenate([short.labels.won, long.labels.won]))


def test_replay_is_a_ring_of_whole_episodes(make_episodes):
    replay, rng = Replay(3, 10), np.random.default_rng(0)
    first, second = make_episodes([4, 2], seed=1), make_episodes([3, 1], seed=2)
    replay.add(first)
    assert replay.size == 2
    replay.add(second)  # overwrites the first episode of `first`
    assert replay.size == 3
    sample = replay.sample(200, rng)
    assert set(sample.length.tolist()) == {1, 2, 3}
    assert sample.mask.shape[1] == 3
    known = {e.observation[i, : e.length[i]].tobytes() for e in (first, second) for i in range(2)}
    drawn = {sample.observation[i, : sample.length[i]].tobytes() for i in range(200)}
    assert drawn == known - {first.observation[0, :4].tobytes()}


def test_what_is_sampled_does_not_depend_on_where_it_is_kept(make_episodes):
    """The draws are those of a list of episodes, and so is every value; padding is empty."""
    replay, kept, draws = Replay(7, 12), [], np.random.default_rng(0)
    for seed in range(12):
        added = make_episodes(draws.integers(1, 13, size=4).tolist(), seed=seed)
        replay.add(added)
        kept = (kept + [added[i: i + 1] for i in range(4)])
        start = max(0, len(kept) - 7)
        ring = {i % 7: kept[i] for i in range(start, len(kept))}
        sample = replay.sample(5, np.random.default_rng(seed))
        places = np.random.default_rng(seed).integers(replay.size, size=5)
        for row, place in enumerate(places):
            n = int(ring[place].length[0])
            assert sample.length[row] == n
            assert np.array_equal(sample.observation[row, :n], ring[place].observation[0, :n])
            assert not sample.observation[row, n:].any()
            assert sample.labels.won[row] == ring[place].labels.won[0]


def test_a_replay_takes_what_is_played(make_episodes):
    replay = Replay(5_000, 180)
    replay.add(make_episodes([20, 20], agents=27, features=738))
    assert sum(column.nbytes for column in replay._steps.values()) < 10e6


@pytest.mark.parametrize("parts", [1, 2, 3, 9])
def test_parts_of_like_length_hold_every_episode_once_and_no_step_less(make_episodes, parts):
    whole = make_episodes([4, 9, 2, 7, 2])
    found = by_length(whole, parts)
    assert len(found) == min(parts, 5)
    assert [part.mask.shape[1] for part in found] == [part.length.max() for part in found]
    assert np.concatenate([part.length for part in found]).tolist() == [2, 2, 4, 7, 9]
    played = {e.observation[i, : e.length[i]].tobytes() for e in found for i in range(len(e))}
    assert played == {whole.observation[i, : whole.length[i]].tobytes() for i in range(5)}


@pytest.mark.parametrize("name", ["vdn", "qmix"])
def test_a_batch_in_parts_is_learned_as_the_whole(battles, team, name, monkeypatch):
    episodes = Player(battles, 0, record=("state",)).play(team, 8, epsilon=1.0)
    learned = []
    for parts in (1, 3):
        monkeypatch.setattr(learning_rules, "PARTS", parts)
        learner = QLearner(Learning.of(name, steps=1), battles.spec, 0)
        loss = learner.update(episodes, 1e-3)
        learned.append((loss, [p.grad for p in learner.parameters]))
    (whole, gradients), (sum_of_parts, others) = learned
    assert sum_of_parts == pytest.approx(whole, rel=1e-4)
    assert all(torch.allclose(one, other, rtol=1e-3, atol=1e-5) for one, other in zip(gradients, others, strict=True))


@pytest.mark.parametrize("name", ["vdn", "qmix"])
def test_the_learner_fits_what_it_has_seen(battles, name):
    learner = QLearner(Learning.of(name, steps=1, gamma=0.0), battles.spec, 0)  # without a future: plain regression
    episodes = Player(battles, 0, record=("state",)).play(learner.team(), 32, epsilon=1.0)[:32]
    losses = [learner.update(episodes, 2e-3) for _ in range(80)]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_training_goes_on_where_it_was_written(battles, store, tmp_path):
    learning = Learning.of("vdn", steps=3_000, eval_every=800, eval_battles=16, batch=4, episodes_per_round=8)
    said = []

    class Killed(Exception):
        pass

    def die(share, note):
        said.append(note)
        if store.saved is not None and store.saved[1]["steps"] > 1_200:
            raise Killed

    first = learning.trainer(battles, 0)
    with pytest.raises(Killed):
        first.fit(store, die, tmp_path)
    written = store.saved[1]["steps"]
    assert 1_200 < written < 3_000
    assert "steps/s" in said[-1]
    second = learning.trainer(battles, 0)
    second.load(*store.saved)
    tensors, values = second.state()
    assert tensors.keys() == store.saved[0].keys()
    assert any(name.startswith("moments.") for name in tensors)
    assert all(torch.equal(tensors[name], store.saved[0][name]) for name in tensors)
    assert values == {name: value for name, value in store.saved[1].items() if name != "replay"}
    second = learning.trainer(battles, 0)
    second.fit(store, lambda *_: None, tmp_path)
    assert list(tmp_path.glob("events.out.tfevents.*"))
    undisturbed = learning.trainer(battles, 0)
    undisturbed.fit(type(store)(), lambda *_: None, tmp_path / "other")
    assert json.dumps(without_times(second.curve)) == json.dumps(without_times(undisturbed.curve))
    assert all(torch.equal(value, second.team().weights[name]) for name, value in undisturbed.team().weights.items())


def without_times(curve):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in curve]


def test_a_ring_comes_back_as_it_was(make_episodes, store):
    """Episodes that were overwritten are not written down for ever, and each is where it was."""
    replay = Replay(10, 9)
    log = ReplayLog(store, replay)
    for seed, n in enumerate((4, 5, 3, 0, 12, 2)):
        if n:
            replay.add(make_episodes([3 + i % 6 for i in range(n)], seed=seed))
        entries = log.add()
        store.keep_parts(log.parts)
        again = Replay(10, 9)
        ReplayLog(store, again).load(entries)
        one, other = (r.sample(30, np.random.default_rng(seed)) for r in (replay, again))
        assert np.array_equal(one.observation[one.mask], other.observation[other.mask])
        assert (replay.added, replay.size) == (again.added, again.size)
        assert sum(len(part["length"]) for part in store.parts.values()) < 20


@pytest.mark.parametrize("spoil", [
    lambda t, v: v.pop("rng"), lambda t, v: v.update(steps="1"), lambda t, v: v.update(steps=-1),
    lambda t, v: v.update(rng="{}"), lambda t, v: v.update(replay=[[9, 9]]), lambda t, v: v.update(player={}),
    lambda t, v: t.pop("agent.fc1.weight"), lambda t, v: t.update({"player.time": torch.zeros(3)}),
    lambda t, v: t.update({"moments.x": torch.zeros(3)}), lambda t, v: v.update(curve=[{"steps": "many"}])])
def test_what_does_not_fit_is_not_gone_on_with(battles, store, tmp_path, spoil):
    learning = Learning.of("vdn", steps=300, eval_every=300, eval_battles=16)
    learning.trainer(battles, 0).fit(store, lambda *_: None, tmp_path)
    spoil(*store.saved)
    with pytest.raises(UnfitState):
        learning.trainer(battles, 0).fit(store, lambda *_: None, tmp_path)


def test_the_same_seed_trains_the_same_team(battles):
    learning = Learning.of("vdn", steps=1_200, eval_every=10_000, eval_battles=8, batch=4, episodes_per_round=8)
    teams = []
    for seed in (0, 0, 1):
        trainer = learning.trainer(battles, seed)
        for _ in trainer.run():
            pass
        teams.append(trainer.team().weights["fc1.weight"])
    assert torch.equal(teams[0], teams[1])
    assert not torch.equal(teams[0], teams[2])
