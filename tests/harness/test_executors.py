"""Executors: the same jobs by this machine's cores, by Ray and by submitit, with the same outcome."""

import contextlib
import importlib.util
import inspect
import os
import socket
import subprocess
import sys
import time
import tomllib
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from jobs import empty, odd, slow

from bench import options
from bench.__main__ import main
from bench.errors import BenchError
from bench.harness.executors import executor_of, job
from bench.harness.executors.local import Local
from bench.harness.executors.on_ray import Ray
from bench.harness.executors.slurm import Slurm
from bench.leaderboard.rows import read_leaderboard

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests/plugin_package/src/marl_backdoor_plugin"
CHAIN = ["env=meeting", "algo=climbing", "algo.steps=2_000", "attack=lure", "control=null", "budget=smoke"]
with_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra [ray]")
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


PORTS = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port")


def node() -> dict[str, int]:
    """A node of a core, and the ports of its agents."""
    with contextlib.ExitStack() as held:
        ports = [held.enter_context(socket.create_server(("", 0))).getsockname()[1] for _ in PORTS]
    return {"num_cpus": 1, **dict(zip(PORTS, ports, strict=True))}


def told_ports(start):
    """Ray's start of a node, to whom the ports of its agents are told before: it waits 15 s for them to say so
    themselves, and ends itself, which is too short on a machine with other work."""
    from ray._raylet import persist_port

    def started(*args, **kwargs):
        given = inspect.signature(start).bind(*args, **kwargs).arguments
        for name in PORTS:
            persist_port(given["session_dir"], given["node_id"], name, given[name])
        return start(*args, **kwargs)

    return started


@pytest.fixture(scope="module")
def cluster(plugin):
    """Two nodes of Ray on this machine, of a core each; the second may be killed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (plugin, ROOT, Path(__file__).parent))))  # of all workers
        patch.setenv("RAY_raylet_start_wait_time_s", "200")  # on a machine with other work
        patch.setenv("RAY_agent_register_timeout_ms", "200000")
        patch.setenv("RAY_gcs_server_port_wait_time_s", "200")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster_utils = pytest.importorskip("ray.cluster_utils")
        services = pytest.importorskip("ray._private.services")
        patch.setattr(services, "start_raylet", told_ports(services.start_raylet))
        made = cluster_utils.Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **node()})
        made.second = made.add_node(**node())
        patch.setenv("RAY_ADDRESS", made.address)
        yield made
        made.shutdown()


def test_every_option_is_an_executor():
    with initialize_config_module("bench.conf", version_base="1.3"):
        made = {name: executor_of(compose("config", [f"executor={name}"])) for name in options.names("executor")}
    assert {name: type(one) for name, one in made.items()} == {"local": Local, "ray": Ray, "slurm": Slurm}


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


@with_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_does_all_jobs_tells_of_failures_and_survives_a_node(cluster, tmp_path):
    found = outcome(ray_here(), [["0"], ["1"], ["2"], ["3"]], partial(odd, tmp_path))
    assert (found[0], found[1], found[3]) == (None, "told so", None)
    assert found[2] == "ValueError: a job with"
    assert all((tmp_path / name).exists() for name in "0123")


@with_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_cells_of_a_killed_node_are_run_again(cluster, tmp_path):
    """Six jobs of a second on two nodes of one core; one node is killed after the first has begun there."""
    import threading

    def kill():
        while len(list(tmp_path.iterdir())) < 2:
            time.sleep(0.05)
        cluster.remove_node(cluster.second, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    found = outcome(ray_here(), [[str(number)] for number in range(6)], partial(slow, tmp_path))
    killer.join()
    begun = pd.Series([file.name.partition("-")[0] for file in tmp_path.iterdir()]).value_counts()
    cluster.second = cluster.add_node(**node())
    assert found == dict.fromkeys(range(6))
    assert set(begun.index) == set("012345")
    assert begun.sum() == 7, "what ran on the node that was killed has begun twice"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """A folder in which a third party's package is installed: an environment, a learner and an attack of numpy."""
    site = tmp_path_factory.mktemp("site")
    (site / PACKAGE.name).symlink_to(PACKAGE)
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    (info := site / f"{PACKAGE.name}-{project['version']}.dist-info").mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [line for group, points in project["entry-points"].items()
             for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return site


def rows(out: Path) -> pd.DataFrame:
    """A leaderboard but for times and the machine."""
    frame = read_leaderboard(out / "leaderboard.csv").sort_values("row_id", ignore_index=True)
    return frame.drop(columns=["date", "runtime_s", "git_sha"])


@pytest.mark.slow
@pytest.mark.timeout(900)
@with_ray
@with_submitit
@pytest.mark.filterwarnings("ignore")
def test_every_executor_leaves_the_same_rows(plugin, cluster, tmp_path, monkeypatch, capsys):
    """Six cells in an environment of numpy; the teams of a seed are trained by the first cell that needs them."""
    monkeypatch.syspath_prepend(plugin)
    monkeypatch.setenv("PYTHONPATH", f"{plugin}{os.pathsep}{ROOT}")
    sweep = ["sweep", *CHAIN, "+sweep.name=s", "+sweep.grids=[{seed: [0, 1], detector: [constant, random, bigram]}]"]
    words = {"local": [], "ray": ["executor=ray"], "slurm": ["executor=slurm", "executor.cluster=local"]}
    for name, more in words.items():
        out = tmp_path / name
        assert main([*sweep, *more, f"out={out}"]) == 0, capsys.readouterr().err
    found = {name: rows(tmp_path / name) for name in words}
    assert found["local"]["config_hash"].nunique() == 6
    assert set(found["local"]["status"]) == {"ok"}
    for name in ("ray", "slurm"):
        pd.testing.assert_frame_equal(found[name], found["local"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_sweeps_at_once_with_one_store_measure_each_cell_once(plugin, tmp_path):
    """Two machines, each with a folder of its own: their rows are the same, times as well."""
    sweep = [sys.executable, "-m", "bench", "sweep", *CHAIN, "+sweep.name=s",
             "+sweep.grids=[{seed: [0, 1], detector: [constant, random, bigram]}]", f"store={tmp_path}/store"]
    both = [subprocess.Popen([*sweep, f"out={tmp_path}/{out}"], env=os.environ | {
        "PYTHONPATH": f"{plugin}{os.pathsep}{ROOT}"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for out in "12"]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    one, two = (read_leaderboard(tmp_path / f"{out}/leaderboard.csv").sort_values("row_id", ignore_index=True)
                for out in "12")
    assert one["config_hash"].nunique() == 6
    pd.testing.assert_frame_equal(one, two)
    assert not [path for path in (tmp_path / "store/leases").rglob("*") if path.is_file()]
