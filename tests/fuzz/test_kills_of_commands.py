"""A few kills at random times; ``python tests/fuzz/kills.py 30`` tries more."""

from pathlib import Path

import pytest
from kills import kills


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by their environment")
def test_a_killed_command_goes_on_as_if_nothing_had_been():
    _, wrong = kills(1, names=("train",))
    assert not wrong, wrong
