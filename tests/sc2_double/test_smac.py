"""oxwhirl/smac, as it stands, plays whole battles against the double."""

import numpy as np
import pytest

REASON = "oxwhirl/smac is not installed: make smac"
LAUNCH = ["ping", "create_game", "join_game", "game_info", "observation"]
STEP = ["action", "step", "observation"]
RESET = ["debug", "step", "observation"]


@pytest.fixture
def env(sc2path, monkeypatch, tmp_path):
    smac = pytest.importorskip("smac.env", reason=REASON)
    monkeypatch.setenv("SC2_DOUBLE_TRACE", str(tmp_path / "trace"))
    env = smac.StarCraft2Env(map_name="3m", seed=7)
    yield env
    env.close()


def battle(env) -> tuple[float, int, dict]:
    """A battle of random available actions: reward, steps, what smac says at the end."""
    rng = np.random.default_rng(0)
    total, steps, done = 0.0, 0, False
    while not done:
        assert np.array(env.get_obs()).shape == (3, 30)
        assert env.get_state().shape == (48,)
        actions = [rng.choice(np.flatnonzero(row)) for row in env.get_avail_actions()]
        reward, done, info = env.step(actions)
        total, steps = total + reward, steps + 1
    return total, steps, info


def test_whole_battles(env, tmp_path):
    played, requests = [], list(LAUNCH)
    for number in range(3):
        env.reset()
        reward, steps, info = battle(env)
        assert 0 <= reward < 20
        assert info["battle_won"] == (info["dead_enemies"] == 3)
        assert steps == env.episode_limit or 3 in (info["dead_allies"], info["dead_enemies"])
        played.append((reward, steps))
        requests += RESET * (number > 0) + STEP * steps
    assert env.get_stats()["battles_game"] == 3
    assert env.max_reward == 3 * 10 + 200 + 3 * 45, "all units are there from the first observation on"
    assert len(set(played)) > 1
    assert [line.split()[1] for line in (tmp_path / "trace").read_text().splitlines()] == requests
