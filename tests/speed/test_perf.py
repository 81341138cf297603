"""Speeds of an environment's battles, times of commands, and what is measured now beside what was measured before."""

import json
import re
import sys
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.errors import BenchError
from bench.marl.learners.ppo import Clipped
from bench.marl.learners.q import Learning
from bench.speed import perf, whole
from bench.speed.perf import Measured
from bench.speed.whole import Took

PACKAGE = Path(__file__).parents[1] / "plugin_package" / "src"


def quiet(*_):
    pass


@pytest.fixture
def meeting(monkeypatch):
    """A third party's environment, measured for a moment."""
    monkeypatch.syspath_prepend(PACKAGE)
    monkeypatch.setattr(perf, "ROUNDS", 1)
    monkeypatch.setattr(perf, "SECONDS", 0.01)
    monkeypatch.setattr(perf, "WARM_UP", 2)
    from marl_backdoor_plugin.world import Meeting

    return Meeting


@pytest.fixture
def no_commands(monkeypatch):
    """Whole commands are not run; what they take is known."""
    took = {"numpy": Took(0.2, 0.1), "--help": Took(0.3, 0.2), "list": Took(2.0, 1.5), "--show": Took(3.0, 2.0),
            "out=out": Took(30.0, 25.0, 900.0)}
    monkeypatch.setattr(whole, "took", lambda command, _: took[command[-1].removeprefix("import ")])
    monkeypatch.setattr(whole, "adding", lambda _: Measured("adding", 1.0, "s", "reading and writing it", 2.0))


@pytest.mark.slow
def test_a_simulator_alone_is_measured_with_as_many_battles_as_are_played(meeting):
    class Few(meeting):
        at_once = 3

        def bare(self, n):
            asked.append(n)
            return lambda: 10

    asked = []
    found = perf.speeds(Few, Learning.of("vdn", steps=100_000, eval_battles=2), quiet)
    assert [one.name for one in found] == [perf.BARE, "a team in the loop", "training vdn"]
    assert all(one.value > 0 and one.unit == "steps/s" for one in found)
    assert [one.ratio for one in found] == pytest.approx([one.value / found[0].value for one in found])
    assert asked == [3]


@pytest.mark.slow
def test_every_kind_of_training_is_measured(meeting):
    found = perf.speeds(meeting, Clipped.of("mappo", steps=100_000, eval_battles=2, episodes_per_round=8), quiet)
    assert [one.name for one in found] == ["a team in the loop", "training mappo"]


@pytest.mark.slow
def test_all_of_it_is_printed_written_and_compared(meeting, no_commands, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["perf", "~env", "+env._target_=marl_backdoor_plugin.world.Meeting", "algo.eval_battles=2"]
    assert main([*words, "out=a"]) == 0
    said = capsys.readouterr().out
    assert "a team in the loop" in said
    assert "no method bare" in said
    assert "times as good" not in said
    found = {one.name: one for one in perf.read(Path("a/perf.json"))}
    assert found["zoo list"] == Measured("zoo list", 2.0, "s", whole.START, 15.0)
    assert found["memory of the default run"].value == 900
    assert {"adding", "run (the default one)", "--help", "leaderboard --show"} < set(found)
    assert main([*words, "out=b", "against=a/perf.json"]) == 0
    said = capsys.readouterr().out
    assert "times as good" in said
    assert re.search(r"zoo list +2\.00 s +15\.00 +Python with numpy +1\.00", said)


@pytest.mark.parametrize(("now", "then", "better"), [
    (Measured("a", 10, "steps/s", "bare", 0.5), Measured("a", 90, "steps/s", "bare", 0.25), 2.0),
    (Measured("a", 10, "s", "start", 5.0), Measured("a", 1, "s", "start", 10.0), 2.0),
    (Measured("a", 600, "MiB"), Measured("a", 900, "MiB"), 1.5),
    (Measured("a", 10, "steps/s"), Measured("a", 10, "steps/s", "bare", 0.5), None),
    (Measured("a", 10, "s"), Measured("b", 10, "s"), None)])
def test_how_much_better_it_is_goes_by_ratios(now, then, better):
    assert perf.times_better(now, [then]) == better


def test_another_file_is_refused_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    (tmp_path / "a.json").write_text(json.dumps({"figures": [{"name": "a"}]}))
    monkeypatch.setattr(perf, "speeds", None)
    assert main(["perf", f"against={tmp_path / 'a.json'}"]) == 2
    assert "a.json is corrupt: it holds no figures of python -m bench perf" in capsys.readouterr().err


def test_a_process_is_measured_whatever_it_prints(tmp_path):
    taken = whole.took([sys.executable, "-c", "print(sum(range(10**6))); x = b'1' * (50 * 2**20)"], tmp_path)
    assert taken.clock > 0
    if taken.cpu is not None:
        assert taken.cpu > 0
        assert 50 < taken.memory < 500
    with pytest.raises(BenchError, match="failed, exit code 3"):
        whole.took([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)
