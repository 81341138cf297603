"""Speeds of an environment's battles, with and without those of its simulator alone."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.marl.learners.q import Learning
from bench.speed import perf

PACKAGE = Path(__file__).parents[1] / "plugin_package" / "src"


@pytest.fixture
def meeting(monkeypatch):
    """A third party's environment, measured for a moment."""
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.setattr(perf, "ROUNDS", 1)
    monkeypatch.setattr(perf, "SECONDS", 0.01)
    from marl_backdoor_plugin.world import Meeting

    return Meeting


def test_a_simulator_alone_is_measured_with_as_many_battles_as_are_played(meeting):
    class Few(meeting):
        at_once = 3

        def bare(self, n):
            asked.append(n)
            return lambda: 10

    asked = []
    found = perf.speeds(Few(), Learning.of("vdn", steps=100), lambda *_: None)
    assert list(found) == [perf.BARE, "a team in the loop", "training vdn"]
    assert all(speed > 0 for speed in found.values())
    assert asked == [3]


def test_an_environment_that_has_none_says_so(meeting, capsys):
    assert main(["perf", "~env", "+env._target_=marl_backdoor_plugin.world.Meeting"]) == 0
    said = capsys.readouterr().out
    assert "a team in the loop" in said
    assert "no method bare" in said
    assert "of the bare simulator\n" not in said
