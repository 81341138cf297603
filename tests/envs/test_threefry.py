"""Random numbers without loops: the published bits, and JAX's own."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.extend.random import threefry_2x32

from bench.envs.threefry import threefry

WORDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(("key", "count", "bits"), [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0))])
def test_bits_are_those_of_random123(key, count, bits):
    """The known answers that come with the authors' own library."""
    words = [np.array([word], np.uint32) for word in (*key, *count)]
    assert [int(word[0]) for word in threefry(*words)] == list(bits)


@given(st.tuples(WORDS, WORDS), st.lists(WORDS, min_size=2, max_size=8).filter(lambda counts: len(counts) % 2 == 0))
@settings(deadline=None, max_examples=30)
def test_bits_are_those_that_jax_draws(key, counts):
    with jax.disable_jit():
        ours = np.concatenate(threefry(*np.array(key, np.uint32), *np.split(np.array(counts, np.uint32), 2)))
    assert np.array_equal(ours, threefry_2x32(np.array(key, np.uint32), np.array(counts, np.uint32)))


def test_keys_and_draws_are_as_they_come_from_jax():
    """What jax.random gives by its own loops; seeds go on naming the same battles."""
    key = jax.random.PRNGKey(7)
    assert np.asarray(jax.random.split(key, 2)).tolist() == [[3625411723, 1954958720], [195045567, 4062205631]]
    assert np.asarray(jax.random.bits(jax.random.fold_in(key, 3), (2,))).tolist() == [993572756, 1359526531]
    assert float(jax.random.uniform(key)) == pytest.approx(0.6740899085998535, abs=0)
    assert " while(" not in jax.jit(jax.random.split).lower(key).compile().as_text()
