"""Battles that nobody but a referee can play again."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from bench.__main__ import main
from bench.artifacts.results import read_result
from bench.errors import BenchError
from bench.harness.referee import digest, seeds
from bench.leaderboard.rows import read_leaderboard
from bench.protocol.seeds import FIRST_PRIVATE, PUBLIC, VARIABLE, private

SECRET = b"0123456789abcdef-and-more"
TINY = ["run", "env.map=3m", "attack=none", "budget.train_steps=1_600_000", "control=null",
        "budget.fit_battles=4", "budget.calibration_battles=4", "budget.test_battles=24", "detector=constant"]


@pytest.fixture
def referee(tmp_path):
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    return file


def cfg(path=None):
    return OmegaConf.create({"referee": None if path is None else str(path)})


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


def test_seeds_come_from_the_secret(referee, tmp_path, monkeypatch):
    assert seeds(cfg()) == PUBLIC
    assert digest(cfg()) is None
    private = seeds(cfg(referee))
    assert private.keys() == PUBLIC.keys()
    assert len(set(private.values())) == len(private)
    assert all(2**30 <= seed < 2**31 for seed in private.values())
    assert digest(cfg(referee)) == hashlib.sha256(SECRET).hexdigest()
    (tmp_path / "other").write_bytes(SECRET + b"!")
    assert not set(private.values()) & set(seeds(cfg(tmp_path / "other")).values())
    monkeypatch.setenv(VARIABLE, SECRET.decode())
    assert seeds(cfg()) == private
    assert seeds(cfg(tmp_path / "other")) != private, "what is given on the command line goes first"


@given(st.binary(min_size=16, max_size=64), st.integers(1, 30))
def test_private_seeds_of_training_are_different_and_not_public(secret, n):
    found = private(secret, n)
    assert len(found) == len(set(found)) == n
    assert all(FIRST_PRIVATE <= seed < 1_000 for seed in found)
    assert private(secret, n + 1)[:n] == found, "one more changes none of the others"


def test_hidden_teams_need_a_secret(capsys):
    assert main(["hidden", "isoforest"]) == 2
    assert f"hidden teams are made from a referee's secret: referee=FILE, or the environment variable {VARIABLE}, is " \
           "needed" in capsys.readouterr().err


@pytest.mark.slow
def test_a_detector_on_hidden_teams(referee, tmp_path, capsys):
    """They are trained where they are missing, and what is printed says nothing of their seeds."""
    words = ["hidden", "ecod", f"referee={referee}", f"out={tmp_path}", "env.map=3m", "attack.victim=1",
             "sweep.grids=[{attack: [backdoorl], algo: [vdn]}]", "budget.train_steps=6_000",
             "budget.imitate_steps=2_000", "budget.train_eval_battles=16",
             "budget.inject_eval_battles=16", "budget.fit_battles=20", "budget.calibration_battles=30",
             "budget.test_battles=24", "budget.accident_battles=24", f"leaderboard={tmp_path}/l.csv"]
    for _ in range(2):
        assert main(words) == 0
        said = capsys.readouterr()
        assert "backdoorl" in said.out
    frame = read_leaderboard(tmp_path / "l.csv")
    (seed,) = private(SECRET, 1)
    assert set(frame["seed"]) == {seed}
    assert set(frame["split"]) == {"hidden"}
    assert set(frame["referee"]) == {hashlib.sha256(SECRET).hexdigest()}
    assert f"s{seed}" not in said.out + said.err


@pytest.mark.parametrize(("content", "said"), [
    (None, "no file at .*; referee=FILE needs one with a secret"), (b"short", "has 5 bytes; allowed: 16 to 4096"),
    (b" " * 40, "has 0 bytes"), (b"x" * 5_000, "has 5000 bytes")])
def test_a_secret_that_is_none(tmp_path, content, said):
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(BenchError, match=said):
        seeds(cfg(tmp_path / "secret"))


@pytest.mark.slow
def test_a_run_in_private_battles_is_another_result(referee, tmp_path, capsys):
    for more in ([], [f"referee={referee}"], [f"referee={referee}"]):
        assert main([*TINY, f"out={tmp_path}", *more]) == 0
    results = [read_result(file.with_suffix("")) for file in tmp_path.glob("runs/*[0-9a-f].json")]
    assert "read from" in capsys.readouterr().err, "the same secret gives the same result"
    public, private = sorted(results, key=lambda result: "referee" in result.config)
    assert private.config == public.config | {"referee": hashlib.sha256(SECRET).hexdigest()}
    assert private.config_hash != public.config_hash
    assert private.checkpoints == public.checkpoints
    assert str(referee) not in (tmp_path / "leaderboard.csv").read_text()
    assert hashlib.sha256(SECRET).hexdigest() in (tmp_path / "leaderboard.csv").read_text()
