"""The log of when held-out teams were looked at."""

import pandas as pd
import pytest
from reporting_examples import result

from bench.leaderboard.readings import FROZEN, log, readings_file, tree_of
from bench.leaderboard.rows import add_rows, read_leaderboard

ONE, TWO = "1" * 40, "2" * 40


@pytest.fixture
def board(tmp_path):
    path = tmp_path / "leaderboard.csv"
    for number, (attack, seed, commit, date) in enumerate([
            ("temporal", 0, ONE, "2026-01-01"), ("temporal", 1, ONE, "2026-01-02"), ("temporal", 2, ONE, "2026-01-04"),
            ("published", 0, ONE, "2026-01-03"), ("temporal", 1, TWO, "2026-02-01")]):
        add_rows(path, result(attack, "knn", 0.7, seed=seed, git_sha=commit, date=date, config_hash=f"{number:012d}"))
    return path


def tree(commit, folder):
    return f"{folder} of {commit[0]}"


def test_every_reading_of_held_out_teams_is_there_and_stays(board):
    frame = read_leaderboard(board)
    found = log(board, frame, tree)
    assert found[["split", "git_sha", "first", "last", "cells"]].to_numpy().tolist() == [
        ["test", ONE, "2026-01-02", "2026-01-04", 2], ["far", ONE, "2026-01-03", "2026-01-03", 1],
        ["test", TWO, "2026-02-01", "2026-02-01", 1]], "seed 0 is for developing"
    assert found["detectors"].tolist() == ["detectors of 1", "detectors of 1", "detectors of 2"]
    written = readings_file(board).read_bytes()
    log(board, frame[frame["git_sha"] == TWO], tree)
    assert readings_file(board).read_bytes() == written, "a line stays when its rows are gone"
    more = log(board, pd.concat([frame, frame.assign(config_hash="f", date="2026-03-01")]), tree)
    assert more["cells"].tolist() == [3, 2, 2]
    assert set(more["last"]) == {"2026-03-01"}


def test_a_folder_of_a_commit_that_is_not_there_has_no_hash():
    for commit in (ONE, "--help", f"{ONE}-dirty", "HEAD"):
        assert tree_of(commit, FROZEN[0]) is None
