"""The race beside JaxMARL's scripts: what is read, when it is over, what is printed. Nothing of JaxMARL's is run."""

import importlib.util
import json
import re
import sys

import pytest
import torch

from bench.__main__ import main
from bench.artifacts.files import write_atomic
from bench.artifacts.teams import write_tensors
from bench.commands.race import COMMAND
from bench.errors import BenchError
from bench.speed import race
from bench.speed.baselines import BASELINES, Point, baseline
from bench.speed.race import Heat, Lap, Mark, Race

SCRIPT = """
import sys, wandb, numpy
wandb.init(project="p", mode="online")
for step in range(1, 4):
    wandb.log({"env_step": numpy.int32(step), "words": sys.argv[1:], "test_returned_won_episode": numpy.float32(.25)},
              step=step)
"""
VDN, MAPPO = BASELINES["vdn_rnn"], BASELINES["mappo_rnn"]


def quiet(*_):
    pass


def checkout(folder, text=SCRIPT):
    file = folder / VDN.script
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def run(*marks, end="reached"):
    return Lap("run", 0, [Mark(Point(steps, win), seconds, cpu) for steps, win, seconds, cpu in marks], end)


def test_jaxmarls_script_is_run_as_it_is_and_its_log_is_kept(tmp_path):
    command, _, _ = VDN.start(checkout(tmp_path), 3, tmp_path)
    lap = race.lap("it", 3, tmp_path, Race(win_rate=0.2), quiet, (command, {}, lambda: []))
    assert lap.end == "ended"
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows == [{"env_step": step, "test_returned_won_episode": 0.25} for step in (1.0, 2.0, 3.0)]
    assert "SEED=3" in command
    assert "alg.HIDDEN_SIZE=64" in command


def test_only_the_rows_of_an_evaluation_are_read_and_no_half_written_one(tmp_path):
    log, every = tmp_path / "log.jsonl", VDN.every
    assert VDN.curve(log) == []
    rows = [{"update_steps": n, "env_step": n * 4096, "test_returned_won_episode": n // every / 10}
            for n in range(1, 2 * every + 3)]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"update_steps": ')
    assert VDN.curve(log) == [Point(every * 4096, 0.1), Point(2 * every * 4096, 0.2)]
    log.write_text('{"loss": 1.0, "step": 2.0}\n')
    with pytest.raises(BenchError, match="does not log 'update_steps'; it logs loss, step"):
        VDN.curve(log)


def test_of_a_script_without_evaluations_the_battles_that_it_learns_from_count(tmp_path):
    """The mean over the rounds of an interval; a round in which no battle ended says nothing."""
    log, every = tmp_path / "log.jsonl", MAPPO.every
    won = [0.2] * (every - 1) + [float("nan")] + [0.6] * every + [0.9]
    log.write_text("".join(json.dumps({"env_step": 8192 * n, "win_rate": one}) + "\n" for n, one in enumerate(won)))
    assert VDN.evaluates, "and reads its own figures"
    assert [point.steps for point in MAPPO.curve(log)] == [8192 * (every - 1), 8192 * (2 * every - 1)]
    assert [point.win_rate for point in MAPPO.curve(log)] == pytest.approx([0.2, 0.6])


def test_every_baseline_is_evaluated_about_every_50_000_steps():
    for one in BASELINES.values():
        assert one.every * one.battles * one.steps == pytest.approx(50_000, rel=0.2), one.name


def test_our_curve_is_that_of_the_run_under_way_or_of_the_finished_team(tmp_path):
    assert race.our_curve(tmp_path) == []
    curve = [{"steps": 5, "win_rate": 0.1}, {"steps": 9, "win_rate": 0.4}]
    partial = tmp_path / "teams" / "vdn.partial.safetensors"
    partial.parent.mkdir()
    (tmp_path / "teams" / "vdn-latest.json").write_text("{}")
    write_tensors(partial, {"a": torch.zeros(1)}, {"values": json.dumps({"curve": curve[:1]})})
    assert race.our_curve(tmp_path) == [Point(5, 0.1)]
    partial.unlink()
    write_atomic(tmp_path / "teams" / "vdn.json", json.dumps({"curve": curve}).encode())
    assert race.our_curve(tmp_path) == [Point(5, 0.1), Point(9, 0.4)]


@pytest.mark.parametrize(("target", "minutes", "code", "end", "seen"), [
    (0.3, 1, "", "reached", 2), (0.9, 1, "", "ended", 3), (0.9, 0.01, "import time; time.sleep(60)", "out of time", 3)])
def test_a_run_is_over_at_the_win_rate_at_its_end_or_at_the_limit(tmp_path, target, minutes, code, end, seen):
    curve = [Point(10, 0.1), Point(20, 0.3), Point(30, 0.2)]
    lap = race.lap("it", 0, tmp_path, Race(win_rate=target, minutes=minutes), quiet,
                   ([sys.executable, "-c", code], {}, lambda: curve))
    assert (lap.end, [mark.point for mark in lap.marks]) == (end, curve[:seen])
    assert all(0 < mark.seconds < 30 for mark in lap.marks)


def test_a_run_that_fails_says_why(tmp_path):
    with pytest.raises(BenchError, match="it failed: ValueError: no luck"):
        race.lap("it", 0, tmp_path, Race(), quiet,
                 ([sys.executable, "-c", "raise ValueError('no luck')"], {}, lambda: []))


def test_the_table():
    theirs = run((50, 0.0, 60, 50), (250, 0.8, 160, 100))
    mine = run((0, 0.0, 30, 20), (150, 0.8, 80, 40))
    slow, short = run((50, 0.6, 160, None), end="out of time"), run((50, 0.6, 160, 80), end="ended")
    nothing = run(end="out of time")
    table = race.table([Heat([theirs], mine), Heat([slow], mine), Heat([theirs], short), Heat([nothing], mine)])
    assert list(table["times faster"]) == ["", "2.00", "", "> 2.00", "", "-", "", "-"]
    assert list(table["in CPU s"]) == ["", "2.50", "", "-", "", "-", "", "-"]
    assert list(table["seconds"]) == ["160", "80", "> 160", "80", "160", "> 160", "-", "80"]
    assert list(table["steps/s after the start"])[:3] == ["2", "3", "-"]


def test_ours_is_compared_with_the_fastest_of_theirs_that_reached_it():
    mine, fast = run((150, 0.8, 80, 40)), run((250, 0.8, 120, 100))
    slow, never = run((250, 0.8, 160, 100)), run((50, 0.1, 10, 10), end="ended")
    assert Heat([slow, never, fast], mine).ratio(race.seconds) == "1.50"
    assert Heat([never, run((50, 0.6, 200, 9), end="out of time")], mine).ratio(race.seconds) == "> 2.50"
    assert list(race.table([Heat([slow, fast], mine)])["times faster"]) == ["", "", "1.50"]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("words", "message"), [
    ([], "no checkout of JaxMARL is given"), (["nowhere"], "'nowhere' is no checkout of JaxMARL"),
    (["nowhere", "baseline=pqn"], "unknown baseline 'pqn'; allowed: vdn_rnn, pqn_vdn_rnn, mappo_rnn"),
    (["nowhere", "race.win_rate=75"], "win_rate is 75; Input should be less than or equal to 1"),
    (["nowhere", "race.laps=2"], "race.*laps")])
def test_mistakes_get_one_line(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["race", *words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert re.search(message, lines[0]), lines
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_the_fastest_of_ours_is_raced_with_unless_another_is_named():
    assert COMMAND.read(["here", "seed=1"]) == ["env.opponent=closest", "algo=mappo", "jaxmarl='here'", "seed=1"]
    assert "algo=mappo" not in COMMAND.read(["here", "algo=vdn"])


def test_missing_packages_are_named(tmp_path, monkeypatch):
    checkout(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "flashbax" else object())
    with pytest.raises(BenchError, match="not installed: pip install flashbax$"):
        VDN.file(str(tmp_path))
    with pytest.raises(BenchError, match="there is no baselines/QLearning/pqn_vdn_rnn.py"):
        baseline("pqn_vdn_rnn").file(str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert VDN.file(str(tmp_path)).is_file()
