"""env=smac: over a stand-in of smac and pysc2 wherever the game's messages can be spoken, and, where oxwhirl/smac is
installed, through it and pysc2 as they stand on the double of StarCraft II. SC2_REAL=FOLDER plays the game itself."""

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sc2_double.install import install
from smac_stand_in import MODULES, stand_in

from attacks.triggers.behaviour import BehaviourPattern
from bench import envs
from bench.conformance.environments import environment_outcomes
from bench.contracts import NEVER
from bench.envs import smac, smac_names
from bench.errors import BenchError
from bench.leaderboard.rows import read_leaderboard
from bench.marl.learners.q import Learning, QLearner
from bench.marl.play import play

REASON = "oxwhirl/smac is not installed: make smac"
SECONDS = 5  # that a hung game is waited for; an answer of the double may take some on a machine with other work


def loaded():
    return [name for name in sys.modules if name.removeprefix("bench.envs.") in MODULES]


@pytest.fixture(scope="module", params=["stand-in", "double", "real"])
def kind(request, tmp_path_factory):
    """What battles are played on; the file in SC2_DOUBLE_FILE tells a running game of the double to fail once."""
    pytest.importorskip("s2clientprotocol", reason="needs the extra [smac]")
    if request.param == "real" and not os.environ.get("SC2_REAL"):
        pytest.skip("set SC2_REAL to the folder of a real StarCraft II with SMAC's maps")
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp(request.param)
        patch.setenv("SC2PATH", os.environ.get("SC2_REAL", "") if request.param == "real" else str(install(folder)))
        patch.setenv("SC2_DOUBLE_FILE", str(folder / "told.json"))
        for name in loaded():
            patch.delitem(sys.modules, name)
        if request.param == "stand-in":
            stand_in(patch)
        else:
            for package in ("pysc2", "smac.env"):
                pytest.importorskip(package, reason=REASON)
        yield request.param
        with contextlib.suppress(KeyError):
            for game in all_games():
                game.kill()
        for name in loaded():
            del sys.modules[name]
            vars(envs).pop(name.rpartition(".")[2], None)


def all_games():
    return sys.modules["bench.envs.smac_pool"].pool("3m", "7")._idle


@pytest.fixture
def battles(kind):
    return smac.SmacBattles("3m", games=2, seconds=30 if kind == "real" else SECONDS)


def team_of(battles):
    return QLearner(Learning.of("vdn", steps=1), battles.spec, 0).team()


def played(battles, numbers, before=lambda time: None):
    """Whole battles, with actions and orders that depend on their numbers alone: what was seen at each step."""
    rngs = [np.random.default_rng(number) for number in numbers]
    step, found = battles.reset(7, np.array(numbers)), []
    while not step.done.all():
        before(len(found))
        action = np.stack([rng.random((3, 9)) for rng in rngs])
        orders = np.stack([np.where(rng.random(3) < (1, 0.2, 0.2), rng.integers(5, size=3), -1) for rng in rngs])
        step = battles.step(np.where(step.available, action, -1).argmax(-1), orders)
        found.append(step.arrays())
    return found


def same(one, other):
    return len(one) == len(other) and all(np.array_equal(a[name], b[name])
                                          for a, b in zip(one, other, strict=True) for name in a)


def fail_once(do, at):
    Path(os.environ["SC2_DOUBLE_FILE"]).write_text(json.dumps({"do": do, "at": at}))


def failures():
    pool = sys.modules["bench.envs.smac_pool"]
    return pool._failed.total() - pool._failed[pool.OTHERWISE]


def test_the_contract_is_kept(battles):
    found = {outcome.check: outcome.message for outcome in environment_outcomes(lambda: battles)
             if outcome.status != "passed"}
    assert found == {}


def test_what_it_says_of_itself(kind, battles):
    spec, step = battles.spec, battles.reset(1, np.arange(2))
    assert spec.id == "smac/3m/7"
    assert spec.version.startswith("double-") == (kind != "real")
    assert step.state.min() >= 0
    assert step.state.max() <= 1
    at = spec.observation_layout.index
    x = step.position[..., 0]
    for agent, other in ((0, 1), (2, 0)):  # the first in an agent's own order
        np.testing.assert_allclose(step.observation[:, agent, at("ally.0.dx")] * spec.sight_range[0],
                                   x[:, other] - x[:, agent], atol=1e-4)


def test_how_many_games_does_not_matter(battles):
    team = team_of(battles)
    one, three = (play(smac.SmacBattles("3m", games=games, seconds=SECONDS), team, 3, seed=3) for games in (1, 3))
    assert np.array_equal(one.observation, three.observation)
    assert np.array_equal(one.reward, three.reward)


def test_smac_alone_can_be_measured(kind, battles):
    play = battles.bare(2, steps=40)  # a battle is over in between
    assert play() == 80


def test_the_spatiotemporal_trigger_is_inserted_and_completes(battles):
    pattern = BehaviourPattern("dx[0] > 0 and distance[0] >= 1.0 and distance[1] < 1.0",  # the paper's example
                               ["west", "east", "west", "east"], seen_from=1)
    team = team_of(battles)
    shown = play(battles, team, 6, seed=3, trigger=pattern, poisoned=True).labels
    hidden = play(battles, team, 6, seed=3, trigger=pattern).labels
    assert (shown.completion != NEVER).all()
    assert (hidden.completion == NEVER).all()


def test_an_outsider_is_sent_on_when_its_orders_end(battles):
    rest = np.full((2, 3), -1)
    east = np.full((2, 3), battles.spec.order("east"))
    step = battles.reset(7, np.arange(2))
    x = [step.position[:, 3:, 0]]
    for orders in (east, east, rest, rest):
        step = battles.step(np.where(step.available[..., 1], 1, 0), orders)
        x.append(step.position[:, 3:, 0])
    moved = np.sign(np.diff(x, axis=0))
    assert (moved[:2] > 0).all()
    assert (moved[3] < 0).all()
    assert (step.outsider_actions == battles.spec.order("west")).all()  # as it is inferred


@pytest.mark.parametrize("exact", [True, False])
def test_rolling_back_gives_the_same_step_twice(battles, exact):
    """By the game's own quick load, and by playing the battle again."""
    step, rng = battles.reset(7, np.arange(2)), np.random.default_rng(0)
    battles.step(np.where(step.available[..., 1], 1, 0))
    assert all(game.exact for game in battles._games)
    for game in battles._games:
        game.exact = exact
    for _ in range(12):
        before = battles.snapshot()
        orders = rng.integers(5, size=(2, 3))
        one = battles.step(np.full((2, 3), 5), orders).arrays()
        battles.restore(before)
        battles.step(np.full((2, 3), 4))
        battles.restore(before)
        other = battles.step(np.full((2, 3), 5), orders).arrays()
        assert same([one], [other])
    elsewhere = smac.SmacBattles("3m", games=2, seconds=SECONDS)  # as a run that goes on another day
    before = battles.snapshot()
    one = battles.step(np.full((2, 3), 4)).arrays()
    elsewhere.restore(before)
    assert same([one], [elsewhere.step(np.full((2, 3), 4)).arrays()])


def test_a_battle_that_goes_another_way_is_counted(battles):
    """As in a game that is not deterministic."""
    pool = sys.modules["bench.envs.smac_pool"]
    battles.reset(7, np.arange(2))
    battles.step(np.full((2, 3), 1))
    before = pool._failed[pool.OTHERWISE]
    for game in battles._games:
        game.kill()
    battles._seen["observation"][0] += 1
    battles.step(np.full((2, 3), 1))
    assert pool._failed[pool.OTHERWISE] == before + 1
    assert f"{before + 1} battles went another way" in pool.report()
    pool._failed[pool.OTHERWISE] = before


def test_an_action_that_is_not_available_is_a_stop(battles):
    step = battles.reset(7, np.arange(2))
    assert not step.available[..., 8].any()
    one = battles.step(np.full((2, 3), 8)).arrays()
    battles.reset(7, np.arange(2))
    assert same([one], [battles.step(np.full((2, 3), 1)).arrays()])


@pytest.mark.parametrize("failure", [("drop", "step"), ("error", "observation"), ("error", "create_game"),
                                     ("refuse", "action"), ("error", "debug"), ("hang", "step"), ("crash", "step"),
                                     ("crash", "join_game"), ("hang", "observation")], ids="-".join)
def test_a_game_that_fails_costs_its_battle_and_nothing_else(kind, battles, failure):
    if kind == "real" or (kind == "stand-in" and failure[0] in ("hang", "crash")):
        pytest.skip("this one cannot be told to")
    expected, before = played(battles, range(2)), failures()
    after = 0 if failure[1] in ("create_game", "join_game", "debug") else 6

    def tell(time):
        if time == after:
            fail_once(*failure)

    if after == 0:
        fail_once(*failure)
    began = time.monotonic()
    assert same(expected, played(battles, range(2), tell if after else lambda time: None))
    assert failures() - before == (failure[0] != "refuse")
    assert time.monotonic() - began < SECONDS + 15
    assert not Path(os.environ["SC2_DOUBLE_FILE"]).exists()
    for game in battles._games:
        assert game.env.max_reward == 365


@pytest.mark.slow
def test_twenty_killed_games_cost_twenty_battles_and_nothing_else(kind, battles):
    if kind == "stand-in":
        pytest.skip("it has no processes")
    expected, before, killed = [played(battles, (k, k + 1)) for k in range(10)], failures(), []

    def kill(time):
        if time in (3, 9):
            process = battles._games[len(killed) % 2].env._sc2_proc._proc
            process.kill()
            process.wait()
            killed.append(process.pid)

    assert all(same(one, played(battles, (k, k + 1), kill)) for k, one in enumerate(expected))
    assert failures() - before == len(killed) == 20
    assert "20 games failed" in importlib.import_module("bench.envs.smac_pool").report() or before


def test_a_game_that_always_fails_is_given_up(kind, battles, monkeypatch):
    if kind == "real":
        pytest.skip("this one cannot be told to")
    monkeypatch.setenv("SC2_DOUBLE", json.dumps({"do": "error", "at": "join_game", "count": 99}))
    battles.reset(7, np.arange(2))
    for game in battles._games:
        game.kill()  # those that are started from now on are told
    with pytest.raises(BenchError, match=r"failed 3 times.*doctor env=smac"):
        battles.reset(8, np.arange(2))


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_game_outlives_its_process(kind, by, tmp_path):
    if kind != "double":
        pytest.skip("tried on the double")
    script = ("import os, sys, time, numpy as np; from bench import interrupts; interrupts.install()\n"
              "from bench.envs.smac import SmacBattles; battles = SmacBattles('3m'); battles.reset(1, np.arange(2))\n"
              "print(*(game.env._sc2_proc.pid for game in battles._games), flush=True)\n"
              "time.sleep(60)")
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                             text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    with child:
        games = list(map(int, child.stdout.readline().split()))
        assert len(games) == 2
        assert all(map(running, games))
        child.send_signal(by)
    until = time.monotonic() + 10
    while time.monotonic() < until and (any(map(running, games)) or list(tmp_path.glob("sc-*"))):
        time.sleep(0.05)
    assert not any(map(running, games))
    assert not list(tmp_path.glob("sc-*"))


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2:3] if Path(f"/proc/{pid}/stat").exists() else True


@pytest.mark.parametrize("flags", [{}, {"obs_pathing_grid": True, "obs_terrain_height": True, "obs_last_action": True,
                                        "obs_timestep_number": True}, {"obs_all_health": False}])
def test_every_feature_of_smac_has_a_name(kind, flags):
    if kind != "double":
        pytest.skip("smac itself is asked")
    from smac.env import StarCraft2Env
    from smac.env.starcraft2.maps.smac_maps import map_param_registry

    assert set(smac_names.MAPS) == set(map_param_registry)
    for name in smac_names.MAPS:
        env = StarCraft2Env(map_name=name, **flags)
        told = smac_names.described(env)
        assert len(told["observation_layout"]) == len(set(told["observation_layout"])) == env.get_obs_size()
        assert len(told["agent_actions"]) == env.n_actions
        assert (smac.state_shift(env) == 0.5).sum() == 2 * (env.n_agents + env.n_enemies)


def test_without_smac_or_the_game_a_line_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("SC2PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "smac", None)
    monkeypatch.delitem(sys.modules, "smac.env", raising=False)
    with pytest.raises(BenchError, match=r"smac is not installed.*doctor env=smac"):
        smac.SmacBattles("3m")
    monkeypatch.delitem(sys.modules, "smac")
    (tmp_path / "smac").mkdir()
    (tmp_path / "smac/__init__.py").write_text("'an optimiser'")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BenchError, match=r"an optimiser.*doctor env=smac"):
        smac.SmacBattles("3m")
    monkeypatch.setitem(sys.modules, "smac.env", object())
    with pytest.raises(BenchError, match=r"there is no Versions.*doctor env=smac"):
        smac.SmacBattles("3m")
    with pytest.raises(BenchError, match=r"unknown map '3n'.*'3m'"):
        smac.SmacBattles("3n")


def test_the_version_is_that_of_the_game_and_the_map(monkeypatch, tmp_path):
    monkeypatch.setenv("SC2PATH", str(tmp_path))
    assert smac_names.installed_version("3m") == smac_names.ABSENT
    for build in (75689, 60000):
        (tmp_path / f"Versions/Base{build}").mkdir(parents=True)
    file = smac_names.map_file("3m")
    file.parent.mkdir(parents=True)
    file.write_bytes(b"MPQ\x1a one")
    first = smac_names.installed_version("3m")
    assert first.startswith("75689-")
    file.write_bytes(b"MPQ\x1a another")
    assert smac_names.installed_version("3m") != first
    node = {"_target_": "bench.envs.smac.SmacBattles", "map": "3m", "difficulty": "7", "games": 4, "seconds": 30}
    assert envs.identity(node) == smac_names.ENVIRONMENT.identity({"map": "3m", "difficulty": 7})
    assert envs.identity({**node, "games": 9}) == envs.identity(node)
    assert envs.identity({**node, "other": 1}) is None


def test_a_leaderboard_refuses_what_was_measured_on_the_double(tmp_path):
    from bench.leaderboard import shipped

    rows = read_leaderboard(shipped.leaderboard()).head(2)
    rows.assign(env_version="75689-abc").to_csv(tmp_path / "real.csv", index=False)
    assert len(read_leaderboard(tmp_path / "real.csv")) == 2
    rows.assign(env_version="double-99999-abc").to_csv(tmp_path / "double.csv", index=False)
    with pytest.raises(BenchError, match=r"env_version is double-99999-abc; .*stand-in"):
        read_leaderboard(tmp_path / "double.csv")
