"""The leaderboard's cells: which are chosen, which are missing, and a row measured again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pandas as pd
import pytest
from hydra import initialize_config_module

from bench.__main__ import main
from bench.artifacts import zoo
from bench.errors import BenchError
from bench.harness.again import overrides_of_row
from bench.harness.grid import Sweep, grid
from bench.harness.sweep import chosen, hash_of, missing
from bench.leaderboard.reproduce import compare, find
from bench.leaderboard.rows import read_leaderboard

SWEEP = Sweep("s", [{"attack": ["told", "trojdrl", "trojdrl_weak"], "algo": ["vdn", "qmix"]}, {"detector": ["knn"]}])
FEWER = ["detector=bigram", "control=null", "budget.fit_battles=8", "budget.calibration_battles=16",
         "budget.test_battles=24"]


@pytest.fixture
def hydra():
    with initialize_config_module("bench.conf", version_base="1.3"):
        yield


def test_cells_are_chosen_by_values_and_patterns():
    assert len(grid(chosen(SWEEP, {"attack": None, "algo": None}))) == 7
    some = chosen(SWEEP, {"attack": "trojdrl*,told", "algo": "qmix"})
    assert grid(some) == [{"attack": attack, "algo": "qmix"} for attack in ("told", "trojdrl", "trojdrl_weak")]
    assert grid(chosen(SWEEP, {"detector": "knn"})) == [{"detector": "knn"}]
    assert {"detector": "knn"} in grid(chosen(SWEEP, {"attack": "spatiotemporal"})), "the default attack"
    assert len(grid(chosen(SWEEP, {"seed": "0"}))) == 7, "the default seed"
    with pytest.raises(BenchError, match=r"unknown algo in the sweep s 'vnd'; allowed: qmix, vdn \(did you mean 'vdn'"):
        chosen(SWEEP, {"algo": "vnd"})


@pytest.mark.slow
def test_a_cell_is_missing_unless_it_was_measured_on_the_team_that_is_shipped(hydra):
    sweep = Sweep("s", [{"attack": ["temporal"], "algo": ["vdn"], "detector": ["bigram", "knn"]}])
    name = next(name for name in zoo.names() if name.startswith("vdn-smax-8m-random-s0-temporal"))
    row = {"status": "ok", "split": "dev",
           "config_hash": hash_of(["attack=temporal", "algo=vdn", "detector=bigram"]),
           "checkpoint_id": name, "checkpoint_sha256": zoo.manifest().teams[name]}
    knn = [{"attack": "temporal", "algo": "vdn", "detector": "knn"}]
    assert grid(missing(sweep, [], pd.DataFrame([row]))) == knn
    for changes in ({"status": "error"}, {"checkpoint_sha256": "another"}, {"checkpoint_id": None},
                    {"config_hash": "0"}):
        assert len(grid(missing(sweep, [], pd.DataFrame([row | changes])))) == 2
    unshipped = row | {"split": "disguised", "checkpoint_id": "made-when-needed"}
    assert grid(missing(sweep, [], pd.DataFrame([unshipped]))) == knn
    assert len(grid(missing(sweep, ["budget.test_battles=9"], pd.DataFrame([row])))) == 2, "another configuration"


@pytest.mark.slow
def test_cells_that_are_measured_are_found_by_the_hash_of_their_command(hydra):
    """However it is looked for, in a sweep with views and opponents of its own."""
    sweep = Sweep("s", [{"attack": ["natural"], "env.opponent": ["skirmish"], "detector": ["knn", "isoforest_window"]},
                        {"detector": ["random"], "view": ["window"]}, {"algo": ["vdn", "qmix"]}], ["seed=3"])
    name = zoo.names()[0]
    for cell in grid(sweep):
        row = {"status": "ok", "split": "dev",
               "config_hash": hash_of(["seed=3", *(f"{name}={value}" for name, value in cell.items())]),
               "checkpoint_id": name, "checkpoint_sha256": zoo.manifest().teams[name]}
        left = grid(missing(sweep, [], pd.DataFrame([row])))
        assert len(left) == 4
        assert cell not in left


@pytest.mark.slow
def test_a_rows_command_makes_its_cell(hydra, tmp_path):
    (tmp_path / "secret").write_text("a secret of the referee's")
    for words in (["attack=marnet", "env.opponent=skirmish"], ["detector=bigram", "response=halt", "defender=trusted"],
                  ["detector=knn", "view=window", "view.length=8",
                   "attack.trigger.psi='dx[0] > 0.8 and not dx[1] < -2'"]):
        for referee in (None, f"{tmp_path}/secret"):
            drawn = [] if referee is None else [f"referee={referee}"]
            row = pd.Series({"row_id": "0", "overrides": shlex.join(words), "config_hash": hash_of([*words, *drawn]),
                             "referee": None if referee is None else "digest"})
            made = overrides_of_row(row, own=drawn)
            assert made[:len(words)] == words
            assert hash_of(made) == row["config_hash"]
            if referee is not None:
                with pytest.raises(BenchError, match="did the cell have a secret or a clean team of its own"):
                    overrides_of_row(row)
    with pytest.raises(BenchError, match="is not that of: detector=hbos"):
        overrides_of_row(pd.Series({**row, "overrides": "detector=hbos", "referee": None}))
    with pytest.raises(BenchError, match="row 0 does not say how it was made"):
        overrides_of_row(pd.Series({**row, "overrides": None}))


def test_figures_are_compared_with_their_intervals():
    stored = pd.Series({"a": 0.5, "a_low": 0.4, "a_high": 0.6, "b": 0.0, "b_low": 1e-19, "b_high": 0.1,
                        "c": None, "c_low": None, "c_high": None, "d": 3.0, "d_low": 2.0, "d_high": None})
    assert compare(stored, stored)["inside"].all()
    assert compare(stored, stored)["figure"].tolist() == ["a", "b", "d"], "no interval, no comparison"
    found = compare(stored, pd.Series({**stored, "a": 0.61, "b": None, "d": 99.0}))
    assert found["inside"].tolist() == [False, False, True], "an interval without an end is open there"


@pytest.mark.slow
def test_a_row_measured_again(tmp_path, capsys):
    path = tmp_path / "leaderboard.csv"
    assert main(["run", *FEWER, f"out={tmp_path}"]) == 0
    assert "ranking" in capsys.readouterr().out
    row = read_leaderboard(path).iloc[0]
    words = ["reproduce", row["row_id"], f"out={tmp_path}", f"leaderboard={path}"]
    assert main(words) == 0
    assert "figures fall inside their intervals" in capsys.readouterr().out
    path.write_text(path.read_text().replace(str(row["win_triggered_high"]), "0.999").replace(
        f",{row['win_triggered_low']},", ",0.998,"))
    assert main(words) == 2
    assert "win_triggered" in capsys.readouterr().err
    assert main(["leaderboard", "--show", f"leaderboard={path}"]) == 0
    assert "bigram" in capsys.readouterr().out
    with pytest.raises(BenchError, match="unknown row '0'"):
        find(read_leaderboard(path), "0")


def test_the_command_of_a_row_can_be_pasted(tmp_path, monkeypatch, capsys):
    words = ["detector={a: b}", "attack.pattern='distance[0] < 1; west'", "members=[bold,red]", "out=my runs"]
    figures = {name: [0.5] for name in ("stored", "low", "high", "now")}
    found = pd.DataFrame(figures | {"figure": ["asr"], "inside": [True]})
    for name, value in (("leaderboard.reproduce.find", None), ("harness.again.overrides_of_row", words),
                        ("harness.again.measured_again", (None, {})), ("leaderboard.reproduce.compare", found),
                        ("leaderboard.rows.read_leaderboard", None), ("leaderboard.rows.rows_of", None)):
        monkeypatch.setattr(f"bench.{name}", lambda *_, value=value, **__: value)
    assert main(["reproduce", "0", f"out={tmp_path}"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "python -m bench run" in line]
    assert shlex.split(line) == ["python", "-m", "bench", "run", *words]


def test_a_row_says_itself_which_cell_it_is_of(capsys):
    row = read_leaderboard(Path("leaderboard/leaderboard.csv")).iloc[0]
    assert main(["reproduce", row["row_id"], "detector=knn"]) == 2
    assert "detector=knn: the row says itself which cell it is of" in capsys.readouterr().err


def test_no_row_is_named(capsys):
    assert main(["reproduce"]) == 2
    assert "no row is named" in capsys.readouterr().err
