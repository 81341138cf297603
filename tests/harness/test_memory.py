"""What battles take in memory is known beforehand; a process that evaluates again and again keeps its size."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import evaluate
from bench.envs.smax import _game
from bench.errors import BenchError
from bench.harness import memory
from bench.marl.learners.q import Learning
from bench.marl.play import play

GIB = memory.GIB


def test_the_bytes_of_a_step_are_those_recorded(battles, team):
    columns = ("hidden", "preference", "state")
    episodes = play(battles, team, 3, 0, record=columns)
    kept = {**vars(episodes), **vars(episodes.labels)}
    steps = episodes.mask.size
    found = sum(value.nbytes for value in kept.values() if getattr(value, "ndim", 0) > 1) / steps
    assert memory.step_bytes(battles.spec, columns) == found + battles.spec.n_agents  # of "edited", in some attacks


def test_training_holds_no_more_than_it_plays():
    spec = _game("27m_vs_30m", "random").spec
    whole, short = (memory.training(spec, Learning.of("vdn", steps=steps)) for steps in (3_200_000, 3_000))
    assert 30 * GIB < whole.most < 60 * GIB
    assert whole.least < 6 * GIB
    assert short.most < 6 * GIB


@pytest.mark.parametrize(("there", "said", "error"), [(9, [], None), (4, ["at most 8.0 GiB"], None),
                                                      (0.5, [], "0.8 to 8.0 GiB, and 0.5 GiB are free; lower a.b, or")])
def test_what_is_said(there, said, error, monkeypatch):
    need = memory.Need("this", 0.8 * GIB, 8 * GIB, ("a.b",))
    monkeypatch.setattr(memory, "free", lambda: int(there * GIB))
    heard = []
    if error is None:
        memory.require(need, heard.append)
    else:
        with pytest.raises(BenchError, match=error):
            memory.require(need, heard.append)
    assert len(heard) == len(said)
    assert all(part in line for part, line in zip(said, heard, strict=True))


@pytest.mark.parametrize("more", ["budget.test_battles=9000000", "budget.fit_battles=99000000",
                                  "budget.calibration_battles=9000000"])
def test_a_run_is_refused_before_anything_is_made(more, tmp_path):
    with pytest.raises(BenchError, match=r"not enough memory.*lower budget\.test_battles"):
        evaluate(overrides=("budget=smoke", more, "shipped=false", f"out={tmp_path / 'out'}"))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_training_is_refused_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "free", lambda: GIB // 50)
    with pytest.raises(BenchError, match=r"training a team.*algo\.buffer"):
        evaluate(overrides=("budget=smoke", "env.map=3m", "attack.victim=1", "budget.train_steps=3200000",
                            "shipped=false", f"out={tmp_path}"))
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(("names", "expected"), [
    ({"memory.max": "1000", "memory.current": "700", "memory.stat": "anon 1\ninactive_file 200\n"}, 500),
    ({"memory.max": "1000", "memory.current": "1200", "memory.stat": "inactive_file 0\n"}, 0),
    ({"memory/memory.limit_in_bytes": "900", "memory/memory.usage_in_bytes": "100",
      "memory/memory.stat": "total_inactive_file 50\n"}, 850),
    ({"memory.max": "max", "memory.current": "700", "memory.stat": ""}, None), ({}, None)])
def test_the_limit_of_a_container(names, expected, tmp_path, monkeypatch):
    for name, text in names.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="ascii")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    found = memory.free()
    assert found == expected if expected is not None else found > 10**6


EVALUATIONS = int(os.environ.get("EVALUATIONS", "8"))  # more of them take minutes
REPEATED = f"""
from bench import evaluate
from bench.marl.process import single_thread_environment
single_thread_environment()
few = ("attack=scripted", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000", "control=null",
       "budget.fit_battles=8", "budget.calibration_battles=20", "budget.test_battles=24", "budget.accident_battles=64")
for turn in range({EVALUATIONS}):
    evaluate(overrides=(*few, f"out={{turn}}"), say=lambda _: None)
    status = open("/proc/self/status", encoding="ascii").read()
    print(int(status.partition("VmRSS:")[2].split()[0]) // 2**10, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not say what a process has")
def test_a_process_that_evaluates_again_and_again_keeps_its_size(tmp_path):
    """MiB after each evaluation: what is compiled and loaded is there after a few of them."""
    done = subprocess.run([sys.executable, "-c", REPEATED], cwd=tmp_path, capture_output=True, text=True, check=False)
    sizes = [int(line) for line in done.stdout.split()]
    assert len(sizes) == EVALUATIONS, done.stderr
    assert max(sizes) < 1200, sizes
    assert max(sizes[-3:]) < 1.05 * max(sizes[2:5]), sizes
