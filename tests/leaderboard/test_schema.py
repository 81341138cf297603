"""The leaderboard's columns: declared, documented, kept to."""

from __future__ import annotations

import io
import json
import shlex
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from reporting_examples import near, result
from rich.console import Console

from bench.artifacts.files import sha256
from bench.artifacts.results import read_result, write_result
from bench.contracts import RELEASE, Figures, Response
from bench.errors import BenchError
from bench.leaderboard import schema
from bench.leaderboard.rows import add_rows, read_leaderboard, result_rows, row_id
from bench.leaderboard.schema import BY_NAME, COLUMNS, document, validated
from bench.reporting.table import show

ROOT = Path(__file__).parents[2]


def lines(**changes) -> pd.DataFrame:
    return pd.DataFrame(result_rows(result("spatiotemporal", "bigram", 0.9))).assign(**changes)


def test_the_document_is_the_schemas():
    found = (ROOT / "leaderboard/SCHEMA.md").read_text()
    assert found == document(), "run: python -m bench.leaderboard.schema"
    assert all(column.meaning for column in COLUMNS)


def test_a_result_fills_the_declared_columns_and_no_others():
    columns = set(lines().columns)
    assert columns == BY_NAME.keys()
    assert schema.FIGURES.keys() == {f.name for f in fields(Figures)}


def test_what_is_written_is_read(tmp_path):
    given = result("spatiotemporal", "bigram", 0.9, config_hash="0012", seed=1, view="actions", config={
        "env": {"map": "8m"}, "detector": {"_target_": "sklearn.ensemble.IsolationForest"}},
        overrides=["detector=bigram", "attack.trigger.psi='dx[0] > 0'"])
    add_rows(tmp_path / "l.csv", given)
    frame = read_leaderboard(tmp_path / "l.csv")
    pd.testing.assert_frame_equal(frame, validated(pd.DataFrame(result_rows(given)), "the result"))
    assert list(frame.columns) == [column.name for column in COLUMNS]
    row = frame.iloc[0]
    assert (row["config_hash"], row["seed"], row["split"], row["view"], row["map"]) == (
        "0012", 1, "test", "actions", "8m")
    assert shlex.split(row["overrides"]) == given.overrides
    assert row["detector_version"] not in ("9.9.9", ""), "scikit-learn's own version"
    assert read_leaderboard(tmp_path / "l.csv")["triggered"].tolist() == [True, True]


def test_a_leaderboard_of_an_older_release_is_read(tmp_path):
    add_rows(tmp_path / "new.csv", result("spatiotemporal", "bigram", 0.9))
    now = pd.read_csv(tmp_path / "new.csv").rename(columns={
        "checkpoint_id": "checkpoint", "checkpoint_sha256": "sha256_backdoored", "git_sha": "git_revision",
        "after_tpr_at_5fpr": "after_rate_5", "after_tpr_at_5fpr_low": "after_rate_5_low",
        "before_false_alarms_at_1fpr_high": "before_false_alarms_1_high"})
    now.drop(columns="map").to_csv(tmp_path / "old.csv", index=False)
    pd.testing.assert_frame_equal(read_leaderboard(tmp_path / "old.csv"), read_leaderboard(tmp_path / "new.csv"))


def test_a_failure_does_not_undo_what_was_measured(tmp_path):
    good = result("spatiotemporal", "bigram", 0.9)
    failed = result("spatiotemporal", "bigram", 0.9, status="error", error="in use", rows=[], checkpoint_id=None)
    add_rows(tmp_path / "l.csv", failed)
    assert read_leaderboard(tmp_path / "l.csv")["status"].tolist() == ["error"]
    for one in (good, failed):
        add_rows(tmp_path / "l.csv", one)
        assert set(read_leaderboard(tmp_path / "l.csv")["status"]) == {"ok"}


def test_our_version_is_that_of_the_release_that_measured():
    later = result("spatiotemporal", "bigram", 0.9, config={"detector": {"_target_": "detectors.NGram"}},
                   packages={RELEASE: "9.9.10"})
    assert {row["detector_version"] for row in result_rows(later)} == {"9.9.10"}


def test_seed_0_is_for_development_and_our_detectors_have_our_version():
    row = result_rows(result("spatiotemporal", "bigram", 0.9, config={"detector": {"_target_": "detectors.NGram"}}))[0]
    assert (row["split"], row["detector_version"], row["view"]) == ("dev", "9.9.9", None)


def test_a_rows_id_names_what_it_is_and_not_what_came_of_it():
    first, control = result_rows(result("spatiotemporal", "bigram", 0.9))
    again = result_rows(result("spatiotemporal", "bigram", 0.2, date="2027-01-01"))[0]
    assert first["row_id"] == again["row_id"] == row_id(again)
    others = [control, *(first | {name: "other"} for name in ("env", "algo", "attack", "row_detector", "config_hash",
                                                                  "benchmark_version"))]
    assert len({row_id(line) for line in [first, *others]}) == 1 + len(others)


def test_what_came_of_alarms_is_told_on_one_row_alone(tmp_path):
    some = near(0.4)
    found = Response("halt", near(0.3), some, near(0.8), near(0.9), near(0.1), 2.5, 0.25, 40)
    given = result("spatiotemporal", "bigram", 0.9, response=found, config={"response": {"name": "halt"}})
    first, control = result_rows(given)
    assert first.keys() == control.keys() == BY_NAME.keys()
    assert (first["response"], first["residual_asr"], first["win_response_low"], first["response_false_alarms"],
            first["step_ms"], first["n_response"]) == ("halt", 0.3, 0.8 - 0.01, 0.1, 2.5, 40)
    assert control["response"] == "halt"
    assert all(control[column.name] is None for column in schema.RESPONSE)
    assert not validated(pd.DataFrame([first, control]), "it").empty
    write_result(tmp_path / "r", given)
    assert read_result(tmp_path / "r") == given
    console = Console(width=200, record=True, file=io.StringIO())
    show(given, console)
    said = console.export_text()
    assert "response to alarms: halt, 40 battles each; the detector takes 2.5 ms a step, 0.25 ms" in said
    assert "halted under trigger" in said


def test_results_of_before_there_were_responses_can_be_read(tmp_path):
    given = result("spatiotemporal", "bigram", 0.9)
    write_result(tmp_path / "r", given)
    sealed = json.loads((tmp_path / "r.json").read_text())
    del sealed["result"]["response"]
    sealed["sha256"] = sha256(json.dumps(sealed["result"], sort_keys=True).encode())
    (tmp_path / "r.json").write_text(json.dumps(sealed))
    assert read_result(tmp_path / "r") == given
    row = result_rows(given)[0]
    assert (row["defender"], row["response"], row["residual_asr"]) == ("suspect", None, None)


@pytest.mark.parametrize(("changes", "message"), [
    ({"defender": "anybody"}, "defender is anybody; allowed: suspect, trusted"),
    ({"after_auroc": 1.2}, "line 2: after_auroc is 1.2; allowed: 0 to 1"),
    ({"n_normal": -1}, "n_normal is -1; allowed: 0 or more"),
    ({"n_normal": 0.5}, "column 'n_normal' holds something else than whole number"),
    ({"asr": float("inf")}, "asr is inf; it must be finite"),
    ({"asr_low": 0.9}, "asr_low is 0.9; the interval's low end is above its high end"),
    ({"asr": "high"}, "column 'asr' holds something else than number"),
    ({"kind": "attck"}, "kind is attck; allowed: attack, control, floor, error"),
    ({"env": None}, "env is .*; it must not be empty"),
    ({"after_aurocs": 1.0}, "unknown column in it 'after_aurocs'.*did you mean 'after_auroc'")])
def test_what_the_schema_refuses(changes, message):
    assert len(validated(lines(), "it")) == 2
    with pytest.raises(BenchError, match=message):
        validated(lines(**changes), "it")


def test_an_older_file_lacks_columns(tmp_path):
    lines().drop(columns=["row_id", "split"]).to_csv(tmp_path / "old.csv", index=False)
    frame = read_leaderboard(tmp_path / "old.csv")
    assert frame[["row_id", "split"]].isna().all(axis=None)
    assert frame["after_auroc"].tolist() == [0.9, 0.5]


def test_rows_added_at_the_end_are_as_if_all_had_been_written_anew(tmp_path):
    cells = [result("spatiotemporal", "bigram", 0.9, config_hash=name) for name in ("one", "two", "three")]
    for cell in cells:
        add_rows(tmp_path / "l.csv", cell)
    whole = validated(pd.DataFrame([row for cell in cells for row in result_rows(cell)]), "the results")
    assert (tmp_path / "l.csv").read_text() == whole.to_csv(index=False)
    add_rows(tmp_path / "l.csv", cells[0])
    assert sorted(read_leaderboard(tmp_path / "l.csv")["config_hash"]) == sorted(whole["config_hash"]), "each cell once"
