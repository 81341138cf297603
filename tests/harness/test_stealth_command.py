"""``python -m bench stealth`` as a user calls it, on the smallest map, with a shipped team."""

from __future__ import annotations

import time

import pandas as pd
import pytest

from bench.__main__ import main
from bench.artifacts import zoo
from bench.artifacts.files import read_json
from bench.leaderboard.stealth import read_stealth

TEAM = ["attack=scripted", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000"]
SMALL = ["budget.stealth_battles=40", "budget.accident_battles=30"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("stealth")
    assert main(["stealth", *TEAM, *SMALL, f"out={out}"]) == 0
    return out


def test_a_team_gets_a_row_and_a_table(out, capsys):
    (row,) = read_stealth(out / "leaderboard.csv").to_dict("records")
    assert row["checkpoint_id"].startswith("vdn-smax-3m-random-s0-scripted-")
    assert row["checkpoint_sha256"] == read_json(zoo.FOLDER / f"{row['checkpoint_id']}.json")["sha256"]
    assert (row["battles"], row["clean_battles"], row["victims"]) == (40, 80, "1")
    assert row["win_clean_team"] > 0.8
    assert row["asr"] > 0.8
    assert 0.3 < row["agreement"] < 0.99, "it opens battles in its own way"
    assert pd.isna(row["distinguishability_64"]), "of 40 battles there are no means over 64"
    assert pd.isna(row["retrained_id"]), "no retrained team of this map is shipped, and none is trained for this"
    assert not (out / "teams").exists()


def test_a_team_that_has_its_row_is_read(out, capsys):
    before = (out / "stealth.csv").read_bytes()
    began = time.perf_counter()
    assert main(["stealth", *TEAM, *SMALL, f"out={out}"]) == 0
    assert time.perf_counter() - began < 10
    said = capsys.readouterr()
    assert "read from" in said.err
    for words in ("ASR", "CPVR", "accidents", "from the clean team", "the clean team from itself", "40 battles each"):
        assert words in said.out
    assert (out / "stealth.csv").read_bytes() == before


def test_another_place(out, tmp_path, capsys):
    """The same team from the same battles: all figures are the same."""
    assert main(["stealth", *TEAM, *SMALL, f"out={tmp_path}", f"leaderboard={tmp_path}/l.csv", "control=null"]) == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".csv"] == ["l.stealth.csv"]
    one, other = (read_stealth(path).drop(columns=["date", "git_sha"]) for path in (
        out / "leaderboard.csv", tmp_path / "l.csv"))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(("words", "message"), [
    (["attack=none"], "attack=none leaves the clean team as it is"),
    (["budget.stealth_battles=0"], "budget.stealth_battles is 0"),
    pytest.param(["zoo", "only=tolld"], "the zoo has no attack 'tolld'", marks=pytest.mark.slow)])
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    assert main(["stealth", *words, f"out={tmp_path}"]) == 2
    said = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
    assert len(said) == 1
    assert message in said[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing half-written"


@pytest.mark.slow
def test_the_zoo_is_gone_through_and_goes_on(tmp_path, capsys):
    words = ["stealth", "zoo", "only=marnet_reward", *SMALL, f"out={tmp_path}"]
    assert main(words) == 0
    assert len(read_stealth(tmp_path / "leaderboard.csv")) == 2
    assert "marnet_reward" in capsys.readouterr().out
    before = (tmp_path / "stealth.csv").read_bytes()
    assert main(words) == 0
    assert (tmp_path / "stealth.csv").read_bytes() == before
