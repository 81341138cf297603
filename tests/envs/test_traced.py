"""What JAX has traced is found again, as long as it is the same, and whole."""

from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.envs import traced
from bench.envs.traced import Traced, readable


class Place(NamedTuple):
    x: jax.Array
    y: jax.Array


readable(Place)


@pytest.fixture
def folder(tmp_path):
    """Where the process keeps what JAX has compiled, for the length of a test."""
    before = jax.config.values["jax_compilation_cache_dir"]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "jax"))
    yield tmp_path / "jax" / "traced"
    jax.config.update("jax_compilation_cache_dir", before)


class Moves:
    """A game's step that counts how often it is traced."""

    def __init__(self) -> None:
        self.times = 0

    def check(self, name: str = "moves", n: int = 4, folders: tuple[Path, ...] = ()) -> None:
        """It does, kept by that name, what it should."""
        def step(state, actions):  # JAX itself remembers what it has traced by the function
            self.times += 1
            return {"place": Place(state["place"].x + actions, state["place"].y), "seen": [actions * 2]}

        state = {"place": Place(jnp.arange(n), jnp.ones(n))}
        after = Traced(step, name, folders)(state, np.arange(n))
        assert isinstance(after["place"], Place)
        assert after["place"].x.tolist() == [2 * i for i in range(n)] == after["seen"][0].tolist()
        assert after["place"].y.tolist() == [1.0] * n


def test_it_is_traced_once(folder):
    moves = Moves()
    moves.check()
    moves.check()
    assert moves.times == 1
    assert len(list(folder.iterdir())) == 1


def test_it_is_traced_again_where_anything_else_is_asked(folder, tmp_path):
    moves = Moves()
    (source := tmp_path / "game").mkdir()
    (source / "rules.py").write_text("SPEED = 1\n")
    for asked in ({}, {"name": "others"}, {"n": 5}, {"folders": (source,)}):
        moves.check(**asked)
    (source / "rules.py").write_text("SPEED = 2\n")
    traced.sources.cache_clear()  # a process reads its source once
    moves.check(folders=(source,))
    with jax.enable_x64(True):
        moves.check()
    assert moves.times == 6
    moves.check(folders=(source,))
    assert moves.times == 6


@pytest.mark.parametrize("spoil", [
    lambda data: b"", lambda data: data[:-1], lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:]],
    ids=["empty", "cut", "a bit"])
def test_a_spoilt_file_is_made_anew(folder, spoil):
    moves = Moves()
    moves.check()
    file, = folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(spoil(whole))
    moves.check()
    assert moves.times == 2
    moves.check()
    assert moves.times == 2


def test_where_nothing_can_be_written_nothing_is(folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    moves = Moves()
    moves.check()
    moves.check()
    assert moves.times == 2
    assert folder.read_text() == "in the way"


@pytest.mark.parametrize("place", [None, "gs://bucket/jax"])
def test_where_jax_keeps_nothing_on_disk_it_works(folder, place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jax.config.update("jax_compilation_cache_dir", place)
    moves = Moves()
    moves.check()
    moves.check()
    assert moves.times == 2
    assert list(tmp_path.iterdir()) == []
