"""One's own result for the leaderboard: re-made and added, or refused with nothing changed."""

from __future__ import annotations

import hashlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import initialize_config_module

import bench
from bench.__main__ import main
from bench.artifacts.results import read_result, write_result
from bench.contracts import Estimate
from bench.errors import BenchError
from bench.harness.again import overrides_of_result
from bench.isolation.own_process import Limits, OwnProcess
from bench.leaderboard import submit as submitting
from bench.leaderboard.curves import read_gathered
from bench.leaderboard.rows import add_rows, read_leaderboard, result_rows

OWN_DETECTOR = """
import subprocess
from subprocess import Popen


class Stands:
    def fit(self, episodes):
        return self

    def score(self, episodes):
        return (episodes.action == 4).astype(float)


def helps():
    return Stands()


class Helper:
    pass
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The base of a result of somebody's own detector, few battles of the shipped team, and where its module is."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "somebodys.py").write_text(OWN_DETECTOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        assert main(["run", "detector._target_=somebodys.Stands", "control=null", "budget.fit_battles=8",
                     "budget.calibration_battles=24", "budget.test_battles=24", f"out={folder}"]) == 0
    (file,) = folder.glob("runs/*.curves.json")
    return file.with_name(file.name.removesuffix(".curves.json"))


@pytest.fixture
def own(made, tmp_path, monkeypatch):
    """A copy of the result, and the words that submit it to a leaderboard of the test's own."""
    monkeypatch.syspath_prepend(made.parents[1])
    shutil.copy(f"{made}.json", tmp_path / "mine.json")
    return tmp_path / "mine", ["submit", f"{tmp_path}/mine.json", f"out={tmp_path}", f"leaderboard={tmp_path}/l.csv",
                               "plugin=somebodys"]


def refused(capsys, words) -> str:
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert not list(Path(words[2].removeprefix("out=")).glob("*.csv*")), "nothing is half-written"
    return line


@pytest.mark.slow
def test_a_result_is_measured_again_and_added(own, capsys):
    base, words = own
    assert main(words) == 0
    said = capsys.readouterr()
    assert "figures were re-made; 7 rows added" in said.out
    assert "python -m bench run env=smax algo=vdn attack=spatiotemporal budget=standard seed=0" in said.err
    assert "detector._target_=somebodys.Stands" in said.err
    result, frame = read_result(base), read_leaderboard(base.with_name("l.csv"))
    theirs = result_rows(result)
    assert frame["row_detector"].tolist() == [row["row_detector"] for row in theirs]
    assert not set(frame["row_id"]) & {row["row_id"] for row in theirs}, "they are of other battles"
    (secret,) = base.parent.glob("referee/*.secret")
    assert secret.stat().st_mode & 0o077 == 0
    assert set(frame["referee"]) == {hashlib.sha256(secret.read_text().strip().encode()).hexdigest()}
    assert result.date not in set(frame["date"]), "the rows are those measured here"
    assert list(read_gathered(base.with_name("l.csv"))) == frame["row_id"].head(1).tolist()


@pytest.mark.slow
def test_a_result_that_is_not_re_made_is_refused(made, tmp_path):
    true = read_result(made)

    def submitted(rows):
        submitting.submit(replace(true, rows=rows), "mine", tmp_path / "l.csv", tmp_path, lambda _: (true, {}), print)

    for claim in (Estimate(0.99, 0.98, 1.0), Estimate(0.99, 0.0, 1.0)):
        better = replace(true, figures=replace(true.figures, win_triggered=claim))
        with pytest.raises(BenchError, match="in other battles, 7 figures differ by more than chance .*win_triggered"):
            submitting.submit(better, "mine", tmp_path / "l.csv", tmp_path, lambda _: (true, {}), print)
    with pytest.raises(BenchError, match="mine: measured again, the cell has other rows"):
        submitted(true.rows[:1])
    for change, message in (
            ({"env_version": "older"}, "mine: env_version is older; measured again, it is "),
            ({"sizes": true.sizes | {"normal": 9_999}}, "mine: n_normal is 9999; measured again, ")):
        with pytest.raises(BenchError, match=message):
            submitting.submit(replace(true, **change), "mine", tmp_path / "l.csv", tmp_path, lambda _: (true, {}),
                              print)
    assert not (tmp_path / "l.csv").exists()
    submitted(true.rows)
    assert len(read_leaderboard(tmp_path / "l.csv")) == len(true.rows)


def test_what_is_added_is_what_was_measured_here(made, tmp_path):
    """Not the submitter's figures, who may have drawn intervals wide enough for anything."""
    true = read_result(made)
    phases = true.rows[0].phases
    real = phases["before"].auroc
    claim = Estimate(min(real.value + 0.001, real.high), 0.0, 1.0)
    better = replace(true.rows[0], phases=phases | {"before": replace(phases["before"], auroc=claim)})
    submitted = replace(true, rows=[better, *true.rows[1:]], date="2001-01-01", runtime_s=0.5)
    _, again = submitting.submit(submitted, "mine", tmp_path / "l.csv", tmp_path, lambda _: (true, {}), print)
    assert again is true
    row = read_leaderboard(tmp_path / "l.csv").iloc[0]
    assert [row[f"before_auroc{end}"] for end in ("", "_low", "_high")] == [real.value, real.low, real.high]
    assert (row["date"], row["runtime_s"]) == (true.date, true.runtime_s)


def test_other_numbers_of_battles_than_the_leaderboards_are_refused(made, tmp_path):
    true = read_result(made)
    add_rows(tmp_path / "l.csv", replace(true, sizes=true.sizes | {"fit": 9}, config_hash="other"))
    with pytest.raises(BenchError, match="mine is of 8 battles for fit; the leaderboard's results are of 9"):
        submitting.submit(true, "mine", tmp_path / "l.csv", tmp_path, lambda _: (true, {}), print)


@pytest.mark.parametrize(("changes", "message"), [
    ({"benchmark_version": "0.0.1"}, r"mine has figures of benchmark 0\.0\.1; this release measures those of "),
    ({"status": "error", "error": "out of memory"}, "mine has no figures: out of memory"),
    ({"config": {"benchmark_version": bench.BENCHMARK, "protocol": {"after_steps": 4}}},
     "was run with after_steps=4; comparable are figures of 5 steps"),
    ({"config_hash": "0123456789ab"}, "config_hash is 0123456789ab; that of its configuration is"),
    ({"checkpoint_id": "my_team"}, "the team my_team is not shipped"),
    ({"checkpoints": {"backdoored": "0" * 64}}, r"\.\.\., the result says 000000000000\.\.\."),
    ({"checkpoints": {"clean": "1" * 64}}, r"the clean team, sha256 111111111111\.\.\., is not a shipped one"),
    ({"trigger_kind": "magic"}, "trigger_kind is magic; allowed: behaviour, observation, none")])
def test_what_is_not_acceptable_is_refused(made, changes, message):
    true = read_result(made)
    if "checkpoints" in changes:
        changes = {"checkpoints": true.checkpoints | changes["checkpoints"]}
    submitting.accepted(true, "mine")
    with pytest.raises(BenchError, match=message):
        submitting.accepted(replace(true, **changes), "mine")


@pytest.mark.parametrize(("words", "message"), [
    (["detector._target_=nowhere.Detector"], r"mine: .*only if you say that you trust it, plugin=\[nowhere\]"),
    (["detector._target_=os.system", "detector.command='true'"], r"mine: detector names the class os\.system; in a fi"),
    (["detector.part={_target_: subprocess.Popen, args: 'true'}"], r"detector\.part names the class subprocess\.Popen"),
    (["detector.k=3"], "mine: no command of this version makes the result's configuration")])
@pytest.mark.usefixtures("own")
def test_a_detector_that_cannot_be_had_is_refused(made, words, message):
    true, trusted = read_result(made), frozenset({"somebodys"})
    with initialize_config_module("bench.conf", version_base="1.3"):
        assert overrides_of_result(true, "mine", trusted) == true.overrides
        with pytest.raises(BenchError, match=message):
            overrides_of_result(replace(true, overrides=[*true.overrides, *words]), "mine", trusted)


@pytest.mark.parametrize(("node", "message"), [
    ({"_target_": "somebodys.gone.Stands"}, r"cannot be imported here \(No module named 'somebodys.gone'"),
    ({"_target_": "somebodys.Other"}, r"cannot be imported here \(module 'somebodys' has no attribute 'Other'\)"),
    ({"_target_": "somebodys.Popen", "args": "true"}, r"somebodys\.Popen is no class of somebodys"),
    ({"_target_": "somebodys.subprocess.Popen", "args": "true"}, r"cannot be imported here \(No module named"),
    ({"_target_": "somebodys.helps"}, r"somebodys\.helps is no class of somebodys"),
    ({"_target_": "somebodys.Helper"}, r"somebodys\.Helper is no detector: it is no class with fit and score")])
def test_what_a_trusted_package_offers_must_be_its_own(made, node, message):
    """Seen by the detector's process, before anything is made; this one imports nothing of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(made.parents[1])
        with pytest.raises(BenchError, match=message):
            _ = OwnProcess(node, "Stands", Limits(), packages=["somebodys"]).about
        assert "somebodys" not in sys.modules


def test_refused_on_the_command_line(own, capsys):
    base, words = own
    file, true = base.with_name("mine.json"), read_result(base)
    write_result(base, replace(true, detector="best_one"))
    assert "mine.json: its detector 'best_one' is called 'Stands' here" in refused(capsys, words)
    write_result(base, true)
    for content, message in ((file.read_text().replace("vdn", "qmix"), "is corrupt: its content is not what its sha"),
                             ("{}", "mine.json holds no result"), ("no", "is corrupt: it is not JSON")):
        file.write_text(content)
        assert message in refused(capsys, words)
    file.unlink()
    assert "; allowed: a result's JSON file, or the name or" in refused(capsys, words)
