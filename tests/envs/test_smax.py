"""Battles: the interface's promises, on real SMAX."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from omegaconf import OmegaConf

from bench.build import build
from bench.contracts import Identity
from bench.envs.smax import MAP_NAME_TO_SCENARIO, SmaxBattles
from bench.envs.smax_names import ENVIRONMENT, EPISODE_LIMITS
from bench.errors import BenchError
from bench.marl.play import play

MOVES = {name: number for number, name in enumerate(("north", "east", "south", "west", "stop"))}


def act(step, rng):
    return np.where(step.available, rng.random(step.available.shape), -1).argmax(-1)


def play_out(battles, seed, numbers, orders=None, steps=70):
    rng = np.random.default_rng(0)
    step = battles.reset(seed, numbers)
    history = [step]
    for _ in range(steps):
        history.append(step := battles.step(act(step, rng), orders))
    return history


def fields(step):
    return step.arrays()


def test_shapes_ranges_and_spec(battles):
    step, spec = battles.reset(0, np.arange(8)), battles.spec
    assert spec.id == "smax/3m/random"
    assert step.observation.shape == (8, spec.n_agents, spec.observation_size)
    assert step.state.shape == (8, spec.state_size)
    assert step.available.shape == (8, spec.n_agents, spec.n_actions)
    assert step.present.shape == step.extras["health"].shape == (8, spec.n_agents + spec.n_outsiders)
    assert step.present.all()
    assert (step.outsider_actions == -1).all()
    for step in play_out(battles, 0, np.arange(8), steps=20):
        assert np.abs(step.observation).max() <= 1.5
        assert step.state.min() >= 0, "the mixer's input has to be normalised"
        assert step.state.max() <= 1


@pytest.mark.parametrize("name", ["2s3z", pytest.param("5m_vs_6m", marks=pytest.mark.slow)])
def test_other_maps(name):
    battles = SmaxBattles(name)
    step = battles.reset(0, np.arange(2))
    step = battles.step(act(step, np.random.default_rng(0)))
    assert step.observation.shape == (2, battles.spec.n_agents, battles.spec.observation_size)


def test_same_seed_same_battle_whatever_the_batch(battles):
    rng = np.random.default_rng(3)
    together = battles.reset(5, np.arange(8))
    start = together.position[4]
    actions = rng.integers(0, 4, size=(10, 8, battles.spec.n_agents))
    for a in actions:
        together = battles.step(a)
    alone = battles.reset(5, np.array([4, 4, 9, 0, 4, 2, 7, 1]))
    assert np.array_equal(alone.position[0], start)
    for a in actions:
        alone = battles.step(a[[4] * 8])
    for name, value in fields(alone).items():
        assert np.array_equal(value[0], value[1]), name
        assert np.allclose(value[0], fields(together)[name][4], atol=1e-5), name
    other = battles.reset(6, 4 + np.arange(8))
    assert not np.allclose(other.position[0], start)


@pytest.mark.slow
@pytest.mark.parametrize(("map", "opponent"), [("3m", "random"), ("2s3z", "closest"), ("8m", "skirmish")])
def test_a_step_is_that_of_jaxmarl(map, opponent):
    """From the same states, with units that crowd and shoot, ours and JaxMARL's own go on to the same."""
    battles = SmaxBattles(map, opponent)
    smax, n = battles._smax, 16

    def theirs(state, actions, orders):
        before = state["game"]
        controller, _, taken = before.enemy_policy_state
        key = jax.random.fold_in(state["key"], before.state.step)
        return smax.step_env(key, before.replace(enemy_policy_state=(controller, orders, taken)),
                             {name: actions[i] for i, name in enumerate(smax.agents)})

    theirs = jax.jit(jax.vmap(theirs))
    rng = np.random.default_rng(0)
    step = battles.reset(0, np.arange(n))
    fought = False
    for _ in range(40):
        shoots = np.where(step.available[..., 5:], rng.random(step.available[..., 5:].shape), -1)
        actions = np.where(shoots.max(-1) >= 0, shoots.argmax(-1) + 5, MOVES["east"])
        orders = np.where(rng.random((n, battles.spec.n_outsiders)) < .1, MOVES["west"], -1)
        going, before = ~step.done, step.present
        observations, after, _, dones, _ = theirs(battles._state, actions, orders)
        step = battles.step(actions, orders)
        fought |= (step.present != before).any()
        ours = dict(jax.tree_util.tree_leaves_with_path(battles._state["game"]))
        for name, value in jax.tree_util.tree_leaves_with_path(after):
            np.testing.assert_allclose(ours[name][going], value[going], rtol=1e-6, atol=1e-5, err_msg=str(name))
        seen = np.stack([observations[name] for name in smax.agents], 1)
        np.testing.assert_allclose(step.observation[going], seen[going], atol=1e-5)
        assert np.array_equal(step.done[going], dones["__all__"][going])
    assert fought


def test_snapshot_is_exact(battles):
    rng = np.random.default_rng(1)
    step = battles.reset(7, np.arange(8))
    for _ in range(6):
        step = battles.step(act(step, rng))
    kept, actions = battles.snapshot(), rng.integers(0, 4, size=(8, 8, battles.spec.n_agents))
    first = [battles.step(a) for a in actions]
    battles.restore(kept)
    second = [battles.step(a) for a in actions]
    for one, two in zip(first, second, strict=True):
        for name, value in fields(one).items():
            assert np.array_equal(value, fields(two)[name]), name


def test_finished_battles_stand_still_and_replacing_begins_anew(battles):
    rng = np.random.default_rng(2)
    step = battles.reset(11, np.arange(8))
    while not step.done.any():
        step = battles.step(act(step, rng))
    over = np.nonzero(step.done)[0]
    after = battles.step(act(step, rng))
    assert np.array_equal(after.position[over], step.position[over])
    assert (after.reward[over] == 0).all()
    assert after.done[over].all()
    replaced = battles.replace(over, 100 + np.arange(len(over)))
    assert not replaced.done[over].any()
    assert replaced.present[over].all()
    others = np.setdiff1d(np.arange(8), over)
    assert np.array_equal(replaced.position[others], after.position[others])
    fresh = battles.reset(11, 100 + np.arange(8))
    assert np.array_equal(replaced.observation[over], fresh.observation[: len(over)])


def test_a_step_is_compiled_once(caplog):
    """It takes most of a short run: whatever the state before it comes from, it is one function."""
    battles = SmaxBattles("3m")
    step = battles.reset(0, np.arange(4))
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for _ in range(2):
            battles.step(step.available.argmax(-1))
            step = battles.replace(np.array([1]), np.array([5]))
    assert sum("Finished XLA compilation of jit(many)" in record.getMessage() for record in caplog.records) == 1


def test_memory_does_not_grow_with_evaluations(battles, team):
    """What is compiled stays for good: every environment that is made, and every evaluation, has to use the same."""
    node = OmegaConf.create({"_target_": "bench.envs.smax.SmaxBattles", "map": "3m", "opponent": "random"})
    play(battles, team, 2, 0)
    compiled = battles._game.reset, battles._game.step
    sizes = [{n: call._cache_size() for n, call in function._by_number.items()} for function in compiled]
    for seed in range(40):
        again = build(node, "environment")
        assert again._game.reset is compiled[0]
        assert again._game.step is compiled[1]
        if seed < 3:
            play(again, team, 2 + seed, seed)
    assert [{n: call._cache_size() for n, call in function._by_number.items()} for function in compiled] == sizes


def test_an_ordered_unit_obeys_and_the_others_do_not(battles):
    step = battles.reset(0, np.arange(8))
    orders = np.full((8, battles.spec.n_outsiders), -1)
    orders[:, 1] = MOVES["north"]
    after = battles.step(np.full((8, battles.spec.n_agents), MOVES["stop"]), orders)
    moved = after.position - step.position
    enemy = battles.spec.n_agents + 1
    assert (moved[:, enemy, 1] > 0.5).all()
    assert np.abs(moved[:, enemy, 0]).max() < 0.5
    assert (after.outsider_actions[:, 1] == MOVES["north"]).all()
    assert (after.outsider_actions[:, 0] == MOVES["west"]).all(), "left to itself an enemy walks towards the team"


def test_reward_adds_up_to_smacs_scale(battles):
    """The return is (damage + 10 per kill + 200 for the win) times 20 over the greatest possible sum."""
    history = play_out(battles, 13, np.arange(8))
    total = sum(step.reward for step in history)
    last, n = history[-1], battles.spec.n_agents
    health, kills = last.extras["health"][:, n:] * 45.0, (~last.present[:, n:]).sum(1)
    expected = (3 * 45 - health.sum(1) + 10 * kills + 200 * last.won) * 20 / (3 * 45 + 3 * 10 + 200)
    assert last.done.all()
    assert np.allclose(total, expected, atol=1e-3)


def test_episodes_end_at_the_limit_and_walls_do_not_kill(battles):
    step = battles.reset(0, np.arange(8))
    orders = np.full((8, battles.spec.n_outsiders), MOVES["east"])
    for _ in range(battles.spec.episode_limit):
        assert not step.done.any()
        step = battles.step(np.full((8, battles.spec.n_agents), MOVES["west"]), orders)
    assert step.done.all()
    assert step.present.all(), "every unit has stood at a wall for a long time"
    assert not step.won.any()


@pytest.mark.parametrize(("arguments", "message"), [
    ({"map": "8n"}, "unknown map '8n'; allowed: .*did you mean '8m'"),
    ({"opponent": "nearest"}, "unknown opponent 'nearest'; allowed: random, closest, skirmish")])
def test_wrong_names(arguments, message):
    with pytest.raises(BenchError, match=message):
        SmaxBattles(**arguments)


def test_names_are_known_without_the_simulator(battles):
    assert set(EPISODE_LIMITS) == set(MAP_NAME_TO_SCENARIO)
    assert ENVIRONMENT.identity({"map": "3m", "opponent": "random"}) == Identity(battles.spec.id, battles.spec.version)


@pytest.mark.slow
def test_skirmishers_feint_once_they_have_met_a_target(battles_skirmish):
    """Left to themselves, enemies walk west and shoot; skirmishers also step back, aside and forth."""
    shares = {}
    for opponent, battles in (("closest", SmaxBattles("3m", "closest")), ("skirmish", battles_skirmish)):
        stop = np.full((64, battles.spec.n_agents), MOVES["stop"])
        agents = battles.spec.n_agents
        step = battles.reset(0, np.arange(64))
        met = np.zeros(step.present[:, agents:].shape, bool)
        moves, before = [], []
        for _ in range(14):
            nearest = np.linalg.norm(step.position[:, agents:, None] - step.position[:, None, :agents], axis=-1).min(-1)
            step = battles.step(np.where(step.available[..., MOVES["stop"]], stop, step.available.argmax(-1)))
            alive = step.present[:, agents:]
            moves.append(step.outsider_actions[alive])
            met |= nearest < battles.spec.sight_range[0]
            before.append(step.outsider_actions[alive & ~met])
        assert set(np.unique(np.concatenate(before))) == {MOVES["west"]}
        made = np.concatenate(moves)
        shares[opponent] = [(made == MOVES[name]).mean() for name in ("north", "east", "south")]
    assert max(shares["closest"]) < 0.02
    assert min(shares["skirmish"]) > 0.01
    assert sum(shares["skirmish"]) < 0.4, "most of the time they fight"


@pytest.mark.slow
def test_the_other_games_of_jaxmarl_are_left_to_who_wants_them():
    """None is imported with ours, which takes seconds, and all can be after it."""
    code = ("import sys, bench.envs.smax as smax; assert not [name for name in sys.modules if 'jaxmarl' in name];"
            "smax.SmaxBattles('3m'); import jaxmarl; print(jaxmarl.make('MPE_simple_v3').num_agents)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("1")
