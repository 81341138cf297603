"""Arrays of zeros that take memory where they are written to."""

from pathlib import Path

import numpy as np
import pytest

from bench.marl.pages import LARGE, kept, zeros


@pytest.mark.parametrize("shape", [(3,), (2, 0, 4), (LARGE // 4 + 1,), (3, LARGE // 4)])
def test_they_are_zeros(shape):
    made = zeros(shape, np.float32)
    assert made.shape == shape
    assert made.dtype == np.float32
    assert not made.any()
    made[...] = 1
    assert made.all()


def test_small_ones_on_pages_of_their_own():
    assert zeros((0, 3), np.int16, large=0).shape == (0, 3)
    assert zeros((2, 3), bool, large=0).tolist() == [[False] * 3] * 2


def test_a_copy_is_kept():
    value = np.arange(60_000.0).reshape(300, 200)
    copy = kept(value[:, ::2])
    value[...] = 0
    assert np.array_equal(copy, np.arange(60_000.0).reshape(300, 200)[:, ::2])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say what a process has")
def test_padding_takes_no_memory():
    before = resident()
    made = zeros((1000, 2**20), np.uint8)  # a gigabyte
    made[:, :4096] = 1
    assert resident() - before < 100
    made[:300] = 1
    assert resident() - before > 200
    del made
    assert resident() - before < 100, "and all goes back"


def resident():
    """MiB that this process has."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) // 2**10
