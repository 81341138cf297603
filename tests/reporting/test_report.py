"""The report of a run, as text and as a command."""

from __future__ import annotations

import re

import pytest
from reporting_examples import CURVES, near, result

from bench.__main__ import main
from bench.artifacts.results import find_result, write_curves, write_result
from bench.contracts import Response
from bench.errors import BenchError
from bench.reporting.report import report


@pytest.fixture
def runs(tmp_path):
    """A folder of two runs, the first with curves."""
    for name in ("bigram", "knn"):
        write_result(tmp_path / "runs" / f"trojdrl-vdn-{name}-0{name}", result("trojdrl", name, 0.9))
    write_curves(tmp_path / "runs" / "trojdrl-vdn-bigram-0bigram", [CURVES, CURVES])
    return tmp_path / "runs"


def test_a_report_tells_all_of_a_run():
    html = report(result("trojdrl", "bigram", 0.9, config={"seed": 0, "note": "<b>"}), [CURVES, CURVES],
                  ["attack=trojdrl", "attack.trigger.psi='dx[0] > 1'"])
    assert html.count("<svg") == 2 * 6
    assert re.search(r"0\.90\s+<small>\(0\.89\s+to\s+0\.91\)", html)
    assert "python -m bench run attack=trojdrl" in html
    assert "dx[0] &gt; 1" in html
    assert "note: &lt;b&gt;" in html
    assert "b" * 64 in html
    assert not re.findall(r"(?:src|href)=\"(?!#|data:)", html), "nothing is loaded from elsewhere"


def test_a_report_tells_of_the_response_and_the_defender():
    found = Response("halt", near(0.11), near(0.22), near(0.33), near(0.44), near(0.055), 1.25, 0.05, 400)
    html = report(result("trojdrl", "bigram", 0.9, response=found,
                         config={"protocol": {"defender": "trusted"}}), None, None)
    assert "Response to alarms: halt" in html
    for share in ("11.0%", "33.0%", "44.0%", "5.5%"):
        assert share in html
    assert "400 battles with the trigger" in html
    assert "fitted to battles of the clean team" in html
    assert "Response to alarms" not in report(result("trojdrl", "bigram", 0.9), None, None)


def test_a_report_without_curves_or_command_says_so():
    html = report(result("trojdrl", "bigram", 0.9), None, None)
    assert "No curves were kept" in html
    assert "No command makes this configuration" in html
    failed = report(result("trojdrl", "lof", 0.9, status="error", error="no <memory>", rows=[]), None, None)
    assert "no &lt;memory&gt;" in failed


@pytest.mark.parametrize("name", ["0bigram", "trojdrl-vdn-bigram-0bigram", "PATH"])
def test_a_run_is_named_by_hash_name_or_path(runs, name):
    path = runs / "trojdrl-vdn-bigram-0bigram"
    assert find_result(f"{path}.json" if name == "PATH" else name, runs)[0] == path
    write_result(runs / "marnet-vdn-bigram-0bigram", result("marnet", "bigram", 0.9))
    with pytest.raises(BenchError, match="several runs are called '0bigram'"):
        find_result("0bigram", runs)


def test_a_folder_without_runs(tmp_path):
    with pytest.raises(BenchError, match=r"there is no result 'x', and no run in .*; allowed: a result's JSON file"):
        find_result("x", tmp_path / "runs")


def test_the_command_writes_one_file(runs, capsys):
    assert main(["report", "0bigram", f"out={runs.parent}"]) == 0
    said = capsys.readouterr()
    assert f"written: {runs}/trojdrl-vdn-bigram-0bigram.html" in said.out
    assert "no command of this version makes the result's configuration" in said.err
    assert "<svg" in (runs / "trojdrl-vdn-bigram-0bigram.html").read_text()


@pytest.mark.parametrize(("name", "message"), [
    ("0bigam", "unknown run (neither a result's JSON file nor a run in RUNS) '0bigam'; allowed: trojdrl-vdn-bigram-0"),
    ("/nowhere/it's.json", "'/nowhere/it's'"),
    (None, "no run is named"),
    (".", "'.' is a folder; allowed: a result's JSON file, or the name or configuration's hash of a run in RUNS"),
    ("..", "'..' is a folder; allowed:"), ("/", "'/' is a folder; allowed:"), ("RUNS/", "' is a folder; allowed:"),
    ("list.json", "list.json is corrupt: it is not a JSON object"),
    ("trojdrl-vdn-bigram-0bigram.curves", "trojdrl-vdn-bigram-0bigram.curves.json holds no result")])
def test_mistakes_get_one_line(runs, name, message, capsys):
    if name == "list.json":
        (runs / "list.json").write_text("[]")
    name = name and name.replace("RUNS", str(runs))
    assert main(["report", *([name] if name else []), f"out={runs.parent}"]) == 2
    assert message.replace("RUNS", str(runs)) in capsys.readouterr().err
    assert not list(runs.glob("*.html"))
