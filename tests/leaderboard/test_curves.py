"""The leaderboard's curves: gathered from beside results, kept in step with the CSV."""

from __future__ import annotations

import gzip

import pytest
from reporting_examples import result

from bench.artifacts.results import write_curves, write_result
from bench.contracts import Curves
from bench.errors import BenchError
from bench.leaderboard.curves import add_curves, curves_file, gather, read_gathered
from bench.leaderboard.rows import add_rows, read_leaderboard, result_rows


def curves(share: float) -> Curves:
    return Curves({"after": [[0.0, 1.0], [share, 1.0]]}, {}, [[], []], [], [None, 1.0], 4, 20)


@pytest.fixture
def finished(tmp_path):
    """A finished cell: its rows are in the CSV, result and curves in a folder of runs."""
    def finish(name: str, share: float, **changes):
        cell = result("trojdrl", name, 0.9, config_hash=name, **changes)
        base = tmp_path / "runs" / f"trojdrl-vdn-{name}"
        write_result(base, cell)
        write_curves(base, [curves(share), curves(0.0)])
        add_rows(tmp_path / "l.csv", cell)
        return [line["row_id"] for line in result_rows(cell)]

    return finish


@pytest.mark.slow
def test_the_curves_of_attacks_on_teams_of_seed_0_are_gathered(tmp_path, finished):
    csv = tmp_path / "l.csv"
    attack, _ = finished("one", 0.25)
    finished("two", 0.5, seed=1)
    assert gather(csv, read_leaderboard(csv), tmp_path / "runs") == 1
    assert read_gathered(csv) == {attack: curves(0.25)}
    assert gather(csv, read_leaderboard(csv), tmp_path / "nowhere") == 1, "what was gathered stays"


@pytest.mark.slow
def test_curves_of_other_measurements_are_not_taken_and_old_ones_go(tmp_path, finished):
    csv = tmp_path / "l.csv"
    (attack, _), _ = finished("one", 0.25), finished("two", 0.5)
    gather(csv, read_leaderboard(csv), tmp_path / "runs")
    add_rows(csv, result("trojdrl", "one", 0.9, config_hash="one", date="2026-02-02"))
    add_curves(csv, {attack: curves(0.75)})
    assert gather(csv, read_leaderboard(csv), tmp_path / "runs") == 2
    assert read_gathered(csv)[attack] == curves(0.75), "the file in runs is of another day than the row"
    frame = read_leaderboard(csv)
    assert gather(csv, frame[frame["row_id"] != attack], tmp_path / "runs") == 1
    assert attack not in read_gathered(csv)


def test_two_leaderboards_of_a_folder_have_curves_of_their_own(tmp_path):
    shipped, other = tmp_path / "leaderboard.csv", tmp_path / "other.csv"
    add_curves(shipped, {"a": curves(0.25)})
    add_curves(other, {"b": curves(0.5)}, keep=set())
    assert read_gathered(shipped) == {"a": curves(0.25)}
    assert read_gathered(other) == {"b": curves(0.5)}
    assert {file.name for file in tmp_path.glob("*.gz")} == {"curves.json.gz", "other.curves.json.gz"}


def test_a_file_that_holds_no_curves(tmp_path):
    assert read_gathered(tmp_path / "l.csv") == {}
    for content in (b"text", gzip.compress(b'{"row": {"roc": 1}}')):
        curves_file(tmp_path / "l.csv").write_bytes(content)
        with pytest.raises(BenchError, match=r"l\.curves\.json\.gz is (corrupt: it is not|no file of)"):
            read_gathered(tmp_path / "l.csv")
