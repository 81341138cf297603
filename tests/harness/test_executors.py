"""Executors: the same jobs by this machine's cores, by Ray and by submitit, with the same outcome."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from jobs import empty, odd, placed, slow
from ray_nodes import two_nodes
from stages import CHAIN, ROOT, content, differing, environment, plugin, rows, running, sweep

from bench import options
from bench.__main__ import main
from bench.errors import BenchError
from bench.harness.executors import executor_of, job
from bench.harness.executors.local import Local
from bench.harness.executors.on_ray import Ray
from bench.harness.executors.slurm import Slurm
from bench.leaderboard.rows import read_leaderboard

with_submitit = pytest.mark.skipif(importlib.util.find_spec("submitit") is None, reason="needs the extra [slurm]")


def submitit(folder: Path) -> Slurm:
    return Slurm("local", str(folder), minutes=5, gigabytes=1, cpus=1, partition=None, array=10, parallelism=None,
                 parameters={})


def ray_here() -> Ray:
    return Ray(address=None, cpus=1, gigabytes=None, resources={}, retries=3, at_once=1_000)


def outcome(executor, jobs, work=None) -> dict[int, str | None]:
    found: dict[int, str | None] = {}
    executor.run(jobs, lambda number, error: found.update({number: error}), work)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which a third party's package is installed: an environment, a learner and an attack of numpy."""
    return plugin(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def nodes(site):
    """Two nodes of Ray on this machine, of a core each; the second may be killed."""
    pytest.importorskip("ray")
    with two_nodes([site, Path(__file__).parent]) as made:
        yield made


def test_every_option_is_an_executor(monkeypatch):
    for package in ("ray", "submitit"):  # whether they are here or not
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    with initialize_config_module("bench.conf", version_base="1.3"):
        made = {name: executor_of(compose("config", [f"executor={name}"])) for name in options.names("executor")}
    assert {name: type(one) for name, one in made.items()} == {"local": Local, "ray": Ray, "slurm": Slurm}


@pytest.mark.slow
@with_submitit
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")
def test_submitit_does_all_jobs_and_tells_of_failures(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # for a job of this file
    found = outcome(submitit(tmp_path / "logs"), [["0"], ["1"], ["2"], ["3"]], partial(odd, tmp_path))
    assert found.keys() == {0, 1, 2, 3}
    assert (found[0], found[1], found[3]) == (None, "told so", None)
    assert found[2] == "ValueError: a job with"
    assert all((tmp_path / name).exists() for name in "0123")


@pytest.mark.parametrize(("name", "words"), [("ray", ["executor=ray"]), ("submitit", ["executor=slurm"])])
def test_a_package_that_is_missing_is_one_line(monkeypatch, capsys, tmp_path, name, words):
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["sweep", "sweep=bounds", *words, f"out={tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith(f"error: {words[0]} needs the package {name}")
    assert "pip install 'marl-backdoor-bench[" in line


@with_submitit
@pytest.mark.parametrize(("values", "said"), [
    ({"cluster": "sulrm"}, "did you mean 'slurm'"), ({"cluster": "slurm"}, "executor=slurm: "),
    ({"parameters": {"slurm_acount": "x"}}, "executor=slurm: ")])
def test_what_is_wrong_with_slurm_is_one_line(tmp_path, values, said, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no sbatch
    made = {"cluster": "local", "folder": str(tmp_path), "minutes": 1, "gigabytes": 1, "cpus": 1, "partition": None,
            "array": 1, "parallelism": None, "parameters": {}}
    with pytest.raises(BenchError, match=said):
        outcome(Slurm(**made | values), [["0"]], empty)


def test_ray_is_told_no_secret(monkeypatch):
    monkeypatch.setattr("bench.harness.executors.on_ray.needed", lambda *_: None)
    monkeypatch.setenv("BENCH_REFEREE", "secret")
    with pytest.raises(BenchError, match="referee=FILE"):
        outcome(ray_here(), [["0"]], empty)


def test_a_job_without_its_folder_says_so(tmp_path):
    assert job.command(["--version"], str(tmp_path / "gone")).endswith("gone is not on this machine")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_does_all_jobs_tells_of_failures_and_survives_a_node(nodes, tmp_path):
    found = outcome(ray_here(), [["0"], ["1"], ["2"], ["3"]], partial(odd, tmp_path))
    assert (found[0], found[1], found[3]) == (None, "told so", None)
    assert found[2] == "ValueError: a job with"
    assert all((tmp_path / name).exists() for name in "0123")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_job_of_ray_has_the_resources_that_it_asks_for(nodes, tmp_path, capsys):
    """Where each job was, and how many were there at once: one of them takes all that the node has."""
    for name in ("first", "second"):
        (folder := tmp_path / name).mkdir()
        executor = replace(ray_here(), cpus=0.5, resources={name: 1.0})
        found = outcome(executor, [[str(number)] for number in range(3)], partial(placed, folder))
        assert found == dict.fromkeys(range(3))
        there = pd.DataFrame([json.loads(file.read_text()) for file in folder.iterdir()])
        assert set(there["node"]) == {name}
        assert all(((there["began"] < ended) & (there["ended"] >= ended)).sum() == 1 for ended in there["ended"])
    assert not capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_job_that_no_node_has_room_for_is_told_of(nodes, capsys, monkeypatch):
    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr("bench.interrupts.poll", stop)
    with pytest.raises(KeyboardInterrupt):
        outcome(replace(ray_here(), cpus=64, resources={"third": 1.0}), [["0"]], empty)
    assert "no node of the Ray cluster has CPU: 64, third: 1.0" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_jobs_of_a_killed_node_are_done_again(nodes, tmp_path):
    """Six jobs of a second on two nodes of one core; one node is killed after the first has begun there."""
    def kill():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        nodes.lose()

    killer = threading.Thread(target=kill)
    killer.start()
    found = outcome(ray_here(), [[str(number)] for number in range(6)], partial(slow, tmp_path))
    killer.join()
    begun = pd.Series([file.name.partition("-")[0] for file in tmp_path.iterdir()]).value_counts()
    nodes.replace()
    assert found == dict.fromkeys(range(6))
    assert set(begun.index) == set("012345")
    assert begun.sum() == 7, "what ran on the node that was killed has begun twice"


CELLS = "+sweep.grids=[{seed: [0, 1], detector: [constant, random, bigram, isoforest, pca, mahalanobis]}]"


def swept(site: Path, out: Path, *more: str) -> subprocess.Popen:
    """A sweep of twelve cells in an environment of numpy; the teams of a seed are trained by the first that needs
    them."""
    words = ["sweep", *CHAIN, "+sweep.name=s", CELLS, f"out={out}", *more]
    return subprocess.Popen([sys.executable, "-m", "bench", *words],
                            env=environment(site, out), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            text=True)


@pytest.fixture(scope="module")
def local(site, tmp_path_factory):
    """What the sweep leaves where it runs on this machine's cores."""
    out = tmp_path_factory.mktemp("local")
    process = swept(site, out)
    assert process.communicate()[1] is not None
    assert process.returncode == 0
    assert rows(out / "leaderboard.csv").count("\n") > 12
    return content(out)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra [ray]: minutes, with those of Ray")
@pytest.mark.parametrize("engine", [pytest.param("slurm", marks=with_submitit), "ray"])
def test_every_executor_leaves_the_same_rows(engine, site, local, tmp_path, request):
    """Byte for byte but for times; a node of Ray is killed while it runs half of the cells."""
    if engine == "slurm":
        process = swept(site, tmp_path, "executor=slurm", "executor.cluster=local")
    else:
        nodes = request.getfixturevalue("nodes")
        process = swept(site, tmp_path, "executor=ray")
        while len(running(tmp_path)) < 3 and process.poll() is None:  # the sweep, and a job on each node
            time.sleep(0.1)
        nodes.lose()
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert not differing(content(tmp_path), local)
    assert not running(tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_sweeps_at_once_with_one_store_measure_each_cell_once(site, tmp_path):
    """Two machines, with one core and a folder each: their rows are the same, times as well."""
    words = [sys.executable, "-m", "bench", *sweep(f"store={tmp_path}/store")]
    cores = sorted(os.sched_getaffinity(0))
    both = [subprocess.Popen(["taskset", "--cpu-list", str(core), *words, f"out={tmp_path}/{out}"],
                             env=environment(site, tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             text=True) for core, out in zip((cores[0], cores[-1]), "12", strict=True)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    one, two = (read_leaderboard(tmp_path / f"{out}/leaderboard.csv").sort_values("row_id", ignore_index=True)
                for out in "12")
    assert one["config_hash"].nunique() == 6
    pd.testing.assert_frame_equal(one, two)
    assert not [path for path in (tmp_path / "store/leases").rglob("*") if path.is_file()]
