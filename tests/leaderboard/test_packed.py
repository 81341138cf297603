"""What all rows of a team share stands once, in a file beside the CSV; nothing is lost by it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from reporting_examples import result

from bench.errors import BenchError
from bench.leaderboard.columns import COLUMNS, LINE
from bench.leaderboard.packed import pack, teams_file
from bench.leaderboard.ranking import TEAM, attacked
from bench.leaderboard.rows import add_rows, read_leaderboard

CELLS = [(attack, detector, seed) for attack in ("spatiotemporal", "temporal") for seed in (0, 1)
         for detector in ("bigram", "knn", "lof")]


def cell(attack, detector, auroc, **changes):
    """One with a floor, as all have."""
    whole = result(attack, detector, auroc, **changes)
    return replace(whole, rows=[*whole.rows, replace(whole.rows[0], detector="random", kind="floor")])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("made") / "leaderboard.csv"
    for number, (attack, detector, seed) in enumerate(CELLS):
        add_rows(path, cell(attack, detector, 0.123456789, seed=seed, config_hash=f"{number:012d}"))
    return path


@pytest.fixture
def board(made, tmp_path):
    return Path(shutil.copy(made, tmp_path))


def test_nothing_is_lost(board):
    before = read_leaderboard(board)
    pack(board, before)
    after = read_leaderboard(board)
    assert "attack" not in pd.read_csv(board)
    assert list(after) == [column.name for column in COLUMNS]
    floor = before["kind"] == "floor"
    kept = before[~(floor & before.duplicated([*TEAM, "row_detector", "team", "triggered"]))].reset_index(drop=True)
    pd.testing.assert_frame_equal(after, kept, rtol=1e-5)
    assert floor.sum() == 3 * (after["kind"] == "floor").sum() > 0, "three detectors a team, each with the same floors"
    pd.testing.assert_frame_equal(attacked(after).reset_index(drop=True), attacked(before).reset_index(drop=True),
                                  rtol=1e-5)


def test_pandas_alone_puts_the_two_together(board):
    frame = read_leaderboard(board)
    pack(board, frame)
    teams = pd.read_csv(board.with_name("teams.csv"))
    assert len(teams) == 4
    both = pd.read_csv(board).merge(teams, on=LINE, validate="many_to_one")
    assert set(zip(both["attack"], both["detector"], both["seed"], strict=True)) == set(CELLS)


def test_packed_again_it_is_the_same(board):
    for _ in range(2):
        pack(board, read_leaderboard(board))
        files = board.read_bytes(), teams_file(board).read_bytes()
        pack(board, read_leaderboard(board))
        assert (board.read_bytes(), teams_file(board).read_bytes()) == files


def test_a_cell_is_added_to_and_replaced_in_a_packed_leaderboard(board):
    before = read_leaderboard(board)
    pack(board, before)
    add_rows(board, result("marnet", "bigram", 0.7, config_hash="new"))
    add_rows(board, result("marnet", "knn", 0.7, config_hash="newer"))
    add_rows(board, cell("spatiotemporal", "bigram", 0.9, config_hash=f"{0:012d}"))
    after = read_leaderboard(board)
    assert set(after["config_hash"]) == {*before["config_hash"], "new", "newer"}
    again = after[after["config_hash"] == f"{0:012d}"]
    assert (again["kind"] == "floor").any(), "the floors that stood in this cell are there anew"
    assert again.iloc[0]["after_auroc"] == 0.9


def test_files_that_do_not_belong_together_are_refused(board, tmp_path):
    pack(board, read_leaderboard(board))
    teams, whole = teams_file(board), teams_file(board).read_text()
    teams.unlink()
    with pytest.raises(BenchError, match=r"leaves to teams.csv what all rows of a team share, and .*teams.csv is not"):
        read_leaderboard(board)
    teams.write_text("".join(whole.splitlines(keepends=True)[:-1]))
    with pytest.raises(BenchError, match="has rows of the team [0-9a-f]{12}, and .*teams.csv has not"):
        read_leaderboard(board)
    for broken in ("a,b\n1,2\n", whole + whole.splitlines(keepends=True)[1]):
        teams.write_text(broken)
        with pytest.raises(BenchError, match=f"is no table of teams: its column '{LINE}' is missing, or names"):
            read_leaderboard(board)
    teams.write_text(whole.replace(",seed,", ",sed,", 1))
    with pytest.raises(BenchError, match="column"):
        read_leaderboard(board)
