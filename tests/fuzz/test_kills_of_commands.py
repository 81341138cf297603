"""A few kills at random times, and a full disk; ``kills.py`` and ``disk.py`` try more."""

import contextlib
from pathlib import Path

import pytest
from disk import drive, full
from kills import kills
from stages import plugin


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found by their environment")
@pytest.mark.parametrize("name", ["train", "two bare local"])
def test_a_killed_command_goes_on_as_if_nothing_had_been(name):
    _, wrong = kills(1, names=(name,))
    assert not wrong, wrong


@pytest.mark.slow
def test_a_full_disk_costs_a_line_and_the_same_command_goes_on(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(plugin(tmp_path))
    with contextlib.ExitStack() as held:
        try:
            where = held.enter_context(drive())
        except OSError as error:
            pytest.skip(f"no drive can be mounted here: {error}")
        assert not full("train", where, [1])
