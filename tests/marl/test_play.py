"""The play loop: which battles, in which order, and what is written down."""

import numpy as np
import pytest

from bench.contracts import NEVER
from bench.errors import BenchError
from bench.marl.play import SLOTS, Player, play


def test_exactly_the_asked_battles_in_order(battles, team):
    episodes = play(battles, team, 100, 3)
    assert len(episodes) == 100
    assert episodes.labels.battle.tolist() == list(range(100))
    assert (episodes.labels.completion == NEVER).all()
    fewer = play(battles, team, 30, 3)
    steps = fewer.mask.shape[1]
    assert np.array_equal(fewer.length, episodes.length[:30])
    assert np.array_equal(fewer.action, episodes.action[:30, :steps])
    assert np.allclose(fewer.observation, episodes.observation[:30, :steps], atol=1e-2)


def test_columns_are_padded_and_consistent(battles, team):
    episodes = play(battles, team, 80, 5, record=("hidden", "preference", "state"))
    n, steps = episodes.mask.shape
    spec = battles.spec
    assert (np.diff(episodes.mask.astype(int), axis=1) <= 0).all(), "played steps come first"
    assert episodes.length.max() == steps
    assert episodes.preference.shape == (n, steps, spec.n_agents, spec.n_actions)
    assert episodes.hidden.shape[:3] == (n, steps, spec.n_agents)
    assert episodes.labels.state.shape == (n, steps, spec.state_size)
    assert not episodes.reward[~episodes.mask].any()
    assert not episodes.observation[~episodes.mask].any()
    taken = np.take_along_axis(episodes.available, episodes.action[..., None].astype(int), -1)[..., 0]
    assert taken[episodes.mask].all(), "only available actions are taken"
    q = np.where(episodes.available, episodes.preference, -np.inf)
    assert (q.argmax(-1) == episodes.action)[episodes.mask].all(), "greedy play takes the best of them"


def test_endless_play_wastes_no_step(battles, team):
    """Training rollouts: every step of every slot is recorded sooner or later, short of the battles under way."""
    calls = 0
    original = battles.step

    class Counted:
        spec = battles.spec

        def __getattr__(self, name):
            return getattr(battles, name)

        def step(self, *args):
            nonlocal calls
            calls += 1
            return original(*args)

    player = Player(Counted(), 0)
    recorded = sum(int(player.play(team, 100, epsilon=0.5).length.sum()) for _ in range(5))
    under_way = int(player._time.sum())
    assert recorded + under_way == calls * SLOTS


def test_exploration_is_of_the_agent_that_is_to_explore(battles, team):
    epsilon = np.array([0.0, 1.0, 0.0])
    episodes = Player(battles, 1, record=("preference",)).play(team, 64, epsilon=epsilon)
    best = np.where(episodes.available, episodes.preference, -np.inf).argmax(-1) == episodes.action
    living = episodes.mask[..., None] & episodes.alive
    assert best[..., 0][living[..., 0]].all()
    assert best[..., 2][living[..., 2]].all()
    assert best[..., 1][living[..., 1]].mean() < 0.6


def test_a_finite_play_leaves_other_battles_alone(battles, team):
    player = Player(battles, 2)
    player.play(team, 10)
    before = battles.snapshot()
    play(battles, team, 5, 99)
    assert all(a is b for a, b in zip(before, battles.snapshot(), strict=True))


def test_a_team_refuses_another_environment(battles_8m, team):
    with pytest.raises(BenchError, match="trained in environment id 'smax/3m/random' and cannot play in 'smax/8m"):
        play(battles_8m, team, 4, 0)


def test_public_episodes_hide_the_labels_and_are_read_only(battles, team):
    episodes = play(battles, team, 6, 0)
    public = episodes.public()
    with pytest.raises(BenchError, match="asked for the labels"):
        _ = public.labels
    with pytest.raises(ValueError, match="read-only"):
        public.observation[0] = 1
    assert len(public[:3]) == 3
    assert len(episodes[np.array([True, False] * 3)].labels.won) == 3
