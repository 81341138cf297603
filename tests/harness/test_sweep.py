"""Sweeps: the grid, the processes, the table."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from bench.artifacts import zoo as shipped
from bench.build import build
from bench.errors import BenchError
from bench.harness import sweep as module
from bench.harness import zoo
from bench.harness.composed import suited
from bench.harness.executors.local import Local
from bench.harness.grid import Sweep, grid, read
from bench.harness.sweep import run_sweep
from bench.harness.zoo import Place
from bench.reporting.sweep import Cell, frame, over_seeds, readable


def test_every_combination_within_a_grid_and_no_others():
    sweep = Sweep("s", [{"a": [1, 2], "b": ["x", "y"]}, {"c": [0]}])
    assert grid(sweep) == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}, {"c": 0}]


@pytest.mark.parametrize("wrong", [{"grids": []}, {"name": "s", "grids": [{"a": 1}]}, {"name": "s", "grids": 3}])
def test_a_sweep_that_is_none(wrong):
    with pytest.raises(BenchError, match="sweep: "):
        read(OmegaConf.create(wrong))


def test_failures_are_told_and_stop_nobody():
    ended = {}
    Local().run([["--version"], ["nonsense"], ["--help"]], lambda number, error: ended.__setitem__(number, error))
    assert ended.keys() == {0, 1, 2}
    assert ended[0] is ended[2] is None
    assert ended[1].startswith("error: unknown command 'nonsense'")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores can be chosen on Linux alone")
def test_the_parent_keeps_its_cores():
    before = os.sched_getaffinity(0)
    Local().run([["--version"]], lambda *_: None)
    assert os.sched_getaffinity(0) == before


def test_the_paper_stands_beside_the_same_settings():
    cells = [Cell({"algo": "vdn", "x.y": 0.5}, None, "no luck"), Cell({"algo": "vdn"}, None, None)]
    table = frame(cells, [{"algo": "vdn", "x.y": 0.5, "asr": 91.6, "cpvr": 3.7}])
    assert table["paper_asr"].tolist()[0] == pytest.approx(0.916)
    assert np.isnan(table["paper_asr"].tolist()[1])
    shown = readable(table)
    assert shown["y"].tolist() == ["0.5", "default"]
    assert shown["paper's ASR, %"].tolist() == ["91.6", ""]
    assert shown["error"].tolist() == ["no luck", ""]
    assert shown["ASR, %"].tolist() == ["", ""], "no figure without a result"


def test_seeds_are_taken_together_with_the_interval_of_their_mean():
    cells = [Cell({"algo": algo, "seed": seed}, None, None) for algo in ("vdn", "qmix") for seed in (0, 1, 2)]
    table = frame(cells, [{"algo": "qmix", "asr": 90.7, "cpvr": 3.9}])
    wins = np.array([0.90, 0.94, 0.98])
    for name, value in (("win_clean_team", wins), ("win_clean_team_low", wins - 0.01),
                        ("win_clean_team_high", wins + 0.01)):
        table.loc[table["algo"] == "vdn", name] = value
    table.loc[5, ["win_clean_team", "win_clean_team_low", "win_clean_team_high"]] = 0.9, 0.85, 0.95
    vdn, qmix = over_seeds(table).to_dict("records")
    reach = 4.30265 * 0.04 / 3 ** 0.5  # Student's t with two degrees of freedom, the seeds' standard deviation
    assert [vdn["win_clean_team"], vdn["win_clean_team_low"], vdn["win_clean_team_high"]] == pytest.approx(
        [0.94, 0.94 - reach, 0.94 + reach], rel=1e-4)
    assert vdn["seeds"] == 3
    assert (qmix["seeds"], qmix["win_clean_team"], qmix["win_clean_team_low"]) == (1, 0.9, 0.85), "the one of battles"
    assert qmix["paper_asr"] == pytest.approx(0.907)
    assert over_seeds(frame([Cell({"algo": "vdn"}, None, None)], [])).equals(frame([Cell({"algo": "vdn"}, None, None)],
                                                                                   []))


def test_a_setting_may_be_a_list():
    table = frame([Cell({"algo": "vdn", "trigger.zeta": ["west", "east"]}, None, "no luck")], [])
    assert table["trigger.zeta"].tolist() == ["west east"]
    assert readable(table)["zeta"].tolist() == ["west east"]


def test_what_is_missing_is_made_clean_teams_first(monkeypatch):
    made = []

    def run(jobs, done):
        made.extend(job[0] for job in jobs)
        for number, job in enumerate(jobs):
            done(number, "no luck" if job[0] == "bad" else None)

    teams = [Place("a", "clean", ("train a",), None), Place("b", "spatiotemporal", ("bad",), None),
             Place("c", "clean", ("train c",), None), Place("d", "told", ("there",), Path("d"))]
    shares = []
    assert zoo.build_missing(teams, lambda share, _: shares.append(share), SimpleNamespace(run=run)) == {"b": "no luck"}
    assert made == ["train a", "train c", "bad"]
    assert shares == [1 / 3, 2 / 3, 1.0]


def test_everything_that_belongs_to_the_zoo_is_shipped():
    with initialize_config_module("bench.conf", version_base="1.3"):
        teams = zoo.places(compose("config", ["command=zoo", "out=/nowhere"]))
    assert [place.name for place in teams if place.file is None] == []
    assert {place.name for place in teams} == set(shipped.names())
    assert teams[0].attack == "clean"


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("budget=smoke", "out=/nowhere"), ("attack.duration=7",), ("algo.gamma=0.98",)])
def test_cells_put_together_are_those_of_hydra(words):
    with initialize_config_module("bench.conf", version_base="1.3"):
        sweep = read(compose("config", ["sweep=zoo"]).sweep)
        for cells in (grid(Sweep("one", [one])) for one in sweep.grids):
            given = [f"{name}={value}" for name, value in cells[-1].items()]
            parts = {group: zoo._options(group, (cells[-1][group],) if group in cells[-1] else ())
                     for group in ("algo", "attack")}
            found = zoo._composed(words, cells[-1], parts)
            wanted = compose("config", [*suited([*words, *given]), *words, *given])
            for part in ("env", "algo", "attack", "seed", "clean", "out", "budget"):
                ours, hydras = (OmegaConf.to_container(OmegaConf.create({"": cell[part]}, parent=None), resolve=False)
                                for cell in (found, wanted))
                assert ours == hydras, part
            assert zoo._changes_team(found.attack) == build(found.attack, "attack").changes_team
            spec = build(found.env, "environment").spec
            assert (zoo._identity(found.env).id, zoo._identity(found.env).version) == (spec.id, spec.version)


def test_the_zoo_is_listed_without_a_simulator():
    code = ("import sys; from bench.__main__ import main; code = main(['zoo', 'list', 'only=natural']); "
            "sys.exit(code or bool({'jax', 'torch', 'sklearn'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 of 2 teams are there" in done.stdout


@pytest.mark.sampled(4)
@pytest.mark.parametrize("words", [["report", "result.json"], ["submit", "result.json"], ["reproduce", "0"],
                                   ["sweep", "+sweep.name=x", "+sweep.grids=[]"]])
def test_whoever_is_refused_waits_for_no_simulator(words, tmp_path):
    (tmp_path / "result.json").write_text("{}")
    code = ("import sys; from bench.__main__ import main; main(sys.argv[1:]); "
            "sys.exit(bool({'jax', 'torch', 'sklearn'} & set(sys.modules)))")
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, encoding="utf-8", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert done.stderr.startswith("error: ")


def test_a_finished_cell_whose_team_is_gone_is_read(monkeypatch, tmp_path):
    """It would have to be trained again, only to find the result that is there."""
    there, jobs = next(iter(shipped.manifest().teams)), []
    names = {1: "gone", 2: there, 3: "made", 4: "failed", 5: None}
    (tmp_path / "teams").mkdir()
    (tmp_path / "teams/made.json").write_text("{}")

    def lookup(words):
        seed = int(words[-1].removeprefix("seed="))
        composed.append(seed)
        name = names.get(seed)
        return SimpleNamespace(teams=tmp_path / "teams", result=lambda: name and SimpleNamespace(
            status="error" if name == "failed" else "ok", checkpoint_id=name, seed=seed))

    composed = []
    executor = SimpleNamespace(run=lambda commands, done: jobs.extend(commands) or [
        done(number, None) for number in range(len(commands))])
    monkeypatch.setattr(module, "_lookup", lookup)
    shares = []
    cells = run_sweep(Sweep("s", [{"seed": [1, 2, 3, 4, 5]}]), [], [], lambda share, _: shares.append(share), executor)
    assert [command[-1] for command in jobs] == ["seed=2", "seed=3", "seed=4", "seed=5"]
    assert [cell.result and cell.result.seed for cell in cells] == [1, 2, 3, 4, None]
    assert cells[0].error is None
    assert composed == [1, 2, 3, 4, 5], "each once: it takes a third of a second"
    assert shares[0] == 0.2
    assert shares[-1] == 1


def test_cells_that_differ_in_the_detector_alone_share_a_process(monkeypatch):
    jobs = []

    def run(commands, done):
        jobs.extend(commands)
        for number in range(len(commands)):
            done(number, "no luck" if number else None)

    monkeypatch.setattr(module, "_stands", lambda lookup: False)
    monkeypatch.setattr(module, "_lookup", lambda words: SimpleNamespace(
        result=lambda: None if "algo=qmix" in words else "result"))
    sweep = Sweep("s", [{"algo": ["vdn", "qmix"], "detector": ["a", "b"]}, {"seed": [7]}], overrides=["control=null"])
    shares = []
    cells = run_sweep(sweep, ["out=x"], [], lambda share, _: shares.append(share), SimpleNamespace(run=run))
    assert jobs == [["run", "control=null", "out=x", "-m", "algo=vdn", "detector=a,b"],
                    ["run", "control=null", "out=x", "-m", "algo=qmix", "detector=a,b"],
                    ["run", "control=null", "out=x", "seed=7"]]
    assert [cell.error for cell in cells] == [None, None, "no luck", "no luck", None]
    assert shares == [0.0, 0.4, 0.8, 1.0]


def test_what_cells_are_expected_to_take(monkeypatch):
    """By the mean of the detector's own cells, each once; by the mean detector for one unheard of."""
    monkeypatch.setattr(module, "cores_here", lambda: [0, 1])
    known = pd.DataFrame({"status": "ok", "config_hash": ["1", "1", "2", "3"], "detector": ["a", "a", "a", "b"],
                          "runtime_s": [3600.0, 3600.0, 7200.0, 72000.0]})
    assert "about 0.8 hours on 2 cores" in module.expected([{"detector": "a"}], known)
    both = [{"detector": "a"}, {"detector": "new"}]
    assert "about 6.1 hours" in module.expected(both, known), "(1.5 + the mean of 1.5 and 20) / 2"
    assert module.expected([], known) == "there is nothing to do"
    for nothing in (known.iloc[:0], None):
        assert "no telling" in module.expected([{"detector": "a"}], nothing)
