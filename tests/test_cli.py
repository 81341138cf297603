"""The command line as a user calls it; on the smallest map, with seconds of training."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bench
from bench import commands, options
from bench.__main__ import main
from bench.artifacts.results import read_result, write_result
from bench.artifacts.teams import load_team, read_metadata
from bench.errors import BenchError
from bench.leaderboard.rows import read_leaderboard
from bench.marl.play import play
from bench.protocol.seeds import PUBLIC

TINY = ["env.map=3m", "attack.victim=1", "budget=smoke", "budget.calibration_battles=32"]
OWN_DETECTOR = """
import numpy as np

class FarFromNormal:
    def fit(self, episodes):
        seen = episodes.observation[episodes.alive & episodes.mask[..., None]].astype(float)
        self.mean_, self.std_ = seen.mean(0), seen.std(0) + 1e-6
        return self

    def score(self, episodes):
        return np.abs((episodes.observation - self.mean_) / self.std_).max(-1)

class Blind(FarFromNormal):
    def score(self, episodes):
        return np.full(episodes.mask.shape, np.nan)

class Signed(FarFromNormal):
    def __init__(self, options=None):
        self.options = options

    def score(self, episodes):
        return self.options["sign"] * super().score(episodes).clip(0, self.options["most"])

class Leaves(FarFromNormal):
    def __init__(self):
        raise SystemExit("[/bye]")

class Interrupts(FarFromNormal):
    def score(self, episodes):
        raise KeyboardInterrupt
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder in which one run has made its teams and its result."""
    out = tmp_path_factory.mktemp("made")
    assert main(["run", *TINY, f"out={out}", "keep_episodes=true"]) == 0
    return out


def python(*words, cwd, **options):
    return subprocess.run([sys.executable, *words], cwd=cwd, capture_output=True, text=True, timeout=240, **options)


def fails(capsys, *words) -> str:
    """The one line that a command fails with."""
    assert main(list(words)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    said = [line for line in lines if line.startswith("error: ")]
    assert len(said) == 1, lines
    assert lines[-1] == said[0]
    assert not any("Traceback" in line for line in lines)
    return said[0]


def test_help_answers_at_once_and_lists_everything(tmp_path):
    code = "import sys, time; from bench.__main__ import main; main(['--help']); took = time.process_time(); " \
           "print(sorted({'torch', 'jax', 'hydra', 'numpy'} & sys.modules.keys()), took)"
    times = []
    for _ in range(3):
        answer = python("-c", code, cwd=tmp_path)
        heavy, took = answer.stdout.splitlines()[-1].rsplit(maxsplit=1)
        assert heavy == "[]", "no heavy import"
        times.append(float(took))
    assert min(times) < 0.5, "seconds of the processor, whatever else this machine does"
    words = answer.stdout.replace(",", " ").split()
    assert {"run", "verify", "spatiotemporal", "isoforest", "smax", "qmix", "smoke"} <= set(words)
    assert len(answer.stdout.splitlines()) < 80
    assert python("-m", "bench", "--version", cwd=tmp_path).stdout == f"marl-backdoor-bench {bench.__version__}\n"


def test_every_command_has_a_place_in_the_help_and_one_of_its_own(capsys):
    assert sorted(name for names in commands.KINDS.values() for name in names) == sorted(commands.NAMES)
    for name in commands.NAMES:
        assert main([name, "--help"]) == 0
        said = capsys.readouterr().out
        assert commands.module(name).COMMAND.help[1:] in " ".join(said.split())
        assert f"  python -m bench {name}" in said
        assert main(["help", name]) == 0
        assert capsys.readouterr().out == said
    assert main(["leaderboard", "--help"]) == 0
    assert "  show: false  # print the ranking only" in capsys.readouterr().out


def test_every_group_has_a_help_that_says_what_its_options_are(capsys):
    assert main(["help", "detector"]) == 0
    said = capsys.readouterr().out
    assert "  isoforest             Isolation forest" in said
    assert all(f"  {name} " in said for name in options.names("detector"))
    assert main(["help", "detectr"]) == 2
    assert "unknown command or group 'detectr'" in (error := capsys.readouterr().err)
    assert "did you mean 'detector'?" in error


@pytest.mark.slow
def test_the_installed_script_is_the_same(tmp_path):
    """Answers, exit codes, and where a user's own modules are found; in a script such as pip writes."""
    declared = tomllib.loads((Path(bench.__file__).parents[1] / "pyproject.toml").read_text())["project"]["scripts"]
    module, name = declared["marl-backdoor-bench"].split(":")
    script = tmp_path / "bin" / "marl-backdoor-bench"
    script.parent.mkdir()
    script.write_text(f"import sys\nfrom {module} import {name}\nif __name__ == '__main__':\n    sys.exit({name}())\n")
    (tmp_path / "mine.py").write_text(OWN_DETECTOR)
    for words, code in [(["--help"], 0), (["rnu"], 2), (["check", "mine.Nothing"], 2)]:
        ours, theirs = python(str(script), *words, cwd=tmp_path), python("-m", "bench", *words, cwd=tmp_path)
        assert (ours.returncode, ours.stdout, ours.stderr) == (code, theirs.stdout, theirs.stderr)
    assert "mine has no" in ours.stderr
    assert len(ours.stderr.splitlines()) == 1


def test_a_run_leaves_a_result_a_row_and_the_episodes(made, capsys):
    (file,) = made.glob("runs/*[0-9a-f].json")
    result = read_result(file.with_suffix(""))
    assert (result.status, result.env, result.detector) == ("ok", "smax/3m/random", "isoforest")
    assert [(r.team, r.triggered, r.detector, r.kind) for r in result.rows] == [
        ("backdoored", True, "isoforest", "attack"), ("backdoored", False, "isoforest", "control"),
        ("backdoored", True, "constant", "floor"), ("backdoored", True, "random", "floor"),
        ("backdoored", True, "episode_length", "floor"), ("backdoored", True, "losing", "floor"),
        ("clean", True, "isoforest", "control"), ("benign_finetune", True, "isoforest", "control")]
    frame = read_leaderboard(made / "leaderboard.csv")
    assert len(frame) == len(result.rows)
    assert frame.win_triggered_high.iloc[0] == pytest.approx(result.figures.win_triggered.high)
    assert frame.before_auroc.iloc[0] == pytest.approx(result.rows[0].phases["before"].auroc.value)
    assert frame.asr.isna().all(), "a team that never wins has nothing to lose"
    public = np.load(next(made.glob("runs/*-triggered.npz")))
    assert "observation" in public
    assert not {"won", "completion", "poisoned"} & set(public.files)
    assert "completion" in np.load(next(made.glob("runs/*-triggered-labels.npz")))
    assert not list(made.glob("teams/*partial*")), "a finished run tidies up"
    for file in made.glob("teams/*.safetensors"):
        _, about = load_team(file)
        assert about["curve"]
        assert 0 <= about["measured"]["win_rate"]["value"] <= 1


@pytest.mark.slow
def test_an_injection_leaves_its_best_and_its_last_agent(tmp_path, capsys):
    words = ["inject", *TINY, "attack=published", "attack.retraining.batch=8", "attack.retraining.eval_every=1500",
             f"out={tmp_path}"]
    assert main(words) == 0
    told = {file.stem: json.loads(file.read_text()) for file in tmp_path.glob("teams/*-published-*.json")}
    assert sorted(about["recipe"]["attack"]["retraining"]["keep"] for about in told.values()) == ["best", "last"]
    for about in told.values():
        kept = [row["kept"] for row in about["curve"]]
        assert sum(kept) == 1
        assert about["recipe"]["attack"]["retraining"]["keep"] == "best" or kept[-1] == 1
        assert set(about["measured"]) == {"win_rate", "win_rate_triggered"}
    (last,) = (name for name, about in told.items() if about["recipe"]["attack"]["retraining"]["keep"] == "last")
    capsys.readouterr()
    assert main([*words, "attack.retraining.keep=last"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(last)
    assert "injecting" not in said.err, "it is there already"


def test_a_finished_run_is_read_not_repeated(made, capsys):
    began = time.perf_counter()
    assert main(["run", *TINY, f"out={made}", "keep_episodes=true"]) == 0
    assert time.perf_counter() - began < 5
    said = capsys.readouterr()
    assert "read from" in said.err
    for word in ("ASR", "CPVR", "AUROC", "before onset", "backdoor detection", "episode_length", "run -v prints every"):
        assert word in said.out
    assert len(said.out.splitlines()) <= 40, "a screen"
    assert main(["run", "-v", *TINY, f"out={made}", "keep_episodes=true"]) == 0
    every = capsys.readouterr().out
    for word in ("accidental triggers", "benign_finetune", "VUS-PR", "whole battle", "how often the poisoned agent's"):
        assert word in every
        assert word not in said.out


def test_a_run_that_looks_at_the_first_steps_alone_stays_out_of_the_leaderboard(made, tmp_path, capsys):
    table = tmp_path / "l.csv"
    assert main(["run", *TINY, "control=null", f"out={made}", f"leaderboard={table}", "after_steps=2"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the first 2 steps of the attack period" in said
    assert "ranking: none" in said
    assert not table.exists()
    (file,) = (file for file in made.glob("runs/*isoforest*[0-9a-f].json")
               if read_result(file.with_suffix("")).protocol["after_steps"] == 2)
    file.unlink()


@pytest.mark.parametrize("others", [False, True])
def test_a_failure_leaves_a_result_unless_it_is_of_other_teams(made, capsys, monkeypatch, others):
    (file,) = made.glob("runs/*isoforest*[0-9a-f].json")
    curves, written = file.with_suffix(".curves.json"), read_result(file.with_suffix(""))
    kept = curves.read_bytes()
    curves.unlink()
    if others:
        write_result(file.with_suffix(""), replace(written, checkpoints=written.checkpoints | {"clean": "0" * 64}))

    def fail(*_, **__):
        raise BenchError("out of order")

    monkeypatch.setattr("bench.harness.cell.measure", fail)
    assert "out of order" in fails(capsys, "run", *TINY, f"out={made}", "keep_episodes=true")
    assert file.exists() != others, "what is of other teams must not be taken for an answer"
    write_result(file.with_suffix(""), written)
    curves.write_bytes(kept)


def test_a_sweep_makes_one_table_and_tells_of_failures(made, capsys):
    words = [*TINY, "keep_episodes=true", f"out={made}", "+sweep.name=pair",
             "+sweep.grids=[{detector: [isoforest, nonsense]}]"]
    assert "1 of 2 cells failed; the first: error: unknown detector 'nonsense'" in fails(capsys, "sweep", *words)
    table = pd.read_csv(made / "sweeps" / "pair.csv")
    assert table["detector"].tolist() == ["isoforest", "nonsense"]
    assert table["win_triggered"].notna().tolist() == [True, False]
    assert table["error"].isna().tolist() == [True, False]
    assert (made / "sweeps" / "pair.md").read_text().count("\n|") == 3


def test_python_and_command_line_give_the_same(made, capsys):
    (file,) = made.glob("runs/*isoforest*[0-9a-f].json")
    theirs = read_result(file.with_suffix(""))
    file.unlink()
    mine = bench.evaluate("isoforest", attack="spatiotemporal", overrides=tuple(TINY), out=made)
    assert mine.figures == theirs.figures
    assert mine.rows == theirs.rows
    assert mine.config_hash == theirs.config_hash
    assert mine.checkpoints == theirs.checkpoints


@pytest.mark.slow
def test_ones_own_detector(made, tmp_path, monkeypatch, capsys):
    (tmp_path / "my_detectors.py").write_text(OWN_DETECTOR)
    monkeypatch.syspath_prepend(tmp_path)
    own = ["~detector", "+detector._target_=my_detectors.FarFromNormal"]
    assert main(["run", *TINY, *own, f"out={made}"]) == 0
    assert "FarFromNormal" in capsys.readouterr().out
    from my_detectors import Blind, FarFromNormal

    (file,) = made.glob("runs/*FarFromNormal*[0-9a-f].json")
    by_hand = bench.evaluate(FarFromNormal(), overrides=tuple(TINY), out=made)
    assert by_hand.rows[0].phases == read_result(file.with_suffix("")).rows[0].phases
    with pytest.raises(BenchError, match="Blind.score returned .* not finite"):
        bench.evaluate(Blind(), overrides=tuple(TINY), out=made)
    assert "not finite" in fails(capsys, "run", *TINY, "~detector", "+detector._target_=my_detectors.Blind",
                                 f"out={made}")


@pytest.mark.slow
def test_detectors_that_differ_in_a_parameter_keep_their_rows(made, tmp_path, monkeypatch):
    """Be it in a dictionary, and infinite: as objects and as configurations, which come to the same."""
    (tmp_path / "my_signs.py").write_text(OWN_DETECTOR)
    monkeypatch.syspath_prepend(tmp_path)
    from my_signs import Signed

    table, few = tmp_path / "l.csv", (*TINY, "control=null", f"leaderboard={tmp_path / 'l.csv'}")
    one, other = (bench.evaluate(Signed({"sign": sign, "most": float("inf")}), overrides=few, out=made)
                  for sign in (1, -1))
    assert one.config_hash != other.config_hash
    assert one.rows != other.rows
    assert set(read_leaderboard(table)["config_hash"]) == {one.config_hash, other.config_hash}
    words = ["detector._target_=my_signs.Signed", "detector.options={sign: 1, most: inf}"]
    assert main(["run", *few, *words, f"out={made}"]) == 0
    assert set(read_leaderboard(table)["config_hash"]) == {one.config_hash, other.config_hash}
    assert main(["report", one.config_hash, f"out={made}", "plugin=my_signs"]) == 0
    (page,) = made.glob(f"runs/*{one.config_hash}.html")
    assert "most: .inf" in page.read_text()
    assert "most: inf}" in page.read_text(), "in the command that makes it again"
    for file in made.glob("runs/*Signed*"):
        file.unlink()


@pytest.mark.parametrize(("name", "reason"), [
    ("Leaves", "constructor: expected .*SystemExit: \\[/bye\\]|cannot make detector my_odd.Leaves: \\[/bye\\]"),
    ("Interrupts", "score: expected .*score raised KeyboardInterrupt")])
def test_check_ends_with_its_table_whatever_the_detector_does(tmp_path, monkeypatch, capsys, name, reason):
    (tmp_path / "my_odd.py").write_text(OWN_DETECTOR)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["check", f"my_odd.{name}"]) == 2
    said = capsys.readouterr()
    assert all(check in said.out for check in ("constructor", "needs", "future", "sign"))
    assert re.search(f"^error: {name} fails 1 of .* checks: .*({reason})", said.err)
    assert main(["run", *TINY, f"detector._target_=my_odd.{name}", f"out={tmp_path}", "budget.train_steps=1"]) == 2 \
        if name == "Leaves" else True


@pytest.mark.slow
def test_something_is_done_about_alarms(made, tmp_path, capsys):
    """Beside the same figures and rows as without a response; in a file and in lines of its own."""
    (file,) = made.glob("runs/*isoforest*[0-9a-f].json")
    before = read_result(file.with_suffix(""))
    table = tmp_path / "l.csv"
    assert main(["run", *TINY, f"out={made}", f"leaderboard={table}", "response=fallback"]) == 0
    assert "residual ASR" in capsys.readouterr().out
    (other,) = set(made.glob("runs/*isoforest*[0-9a-f].json")) - {file}
    result = read_result(other.with_suffix(""))
    other.unlink()
    assert (result.figures, result.rows) == (before.figures, before.rows)
    assert before.response is None
    assert (result.response.name, result.response.battles) == ("fallback", 16)
    assert 0 < result.response.battle_step_ms < result.response.step_ms
    told = read_leaderboard(table)["win_response"]
    assert told.iloc[0] == result.response.win_normal.value
    assert told.iloc[1:].isna().all(), "controls and floors respond to nothing"


def test_a_trusted_team_is_what_detectors_are_fitted_to(made, battles):
    """All that is judged, and the thresholds, stay those of the delivered team."""
    seen = []

    class Witness:
        needs = ("hidden",)

        def fit(self, episodes):
            seen.append(episodes)
            return self

        def score(self, episodes):
            return episodes.observation[..., 0].astype(float)

    result = bench.evaluate(Witness(), overrides=(*TINY, "control=null"), out=made, defender="trusted",
                            isolation="none")  # so that it can note here what it sees
    clean, backdoored = (load_team(sorted(made.glob(f"teams/*{name}*.json"), key=lambda path: len(path.name))[0])[0]
                         for name in ("-s0-", "-spatiotemporal-"))
    theirs, others = (play(battles, team, 8, PUBLIC["fit"], record=("hidden",)) for team in (clean, backdoored))
    assert len(seen) == 2, "on the backdoored team and on the clean one"
    assert all(np.array_equal(fit.hidden, theirs.hidden) for fit in seen)
    assert not np.array_equal(theirs.hidden, others.hidden)
    (file,) = made.glob("runs/*isoforest*[0-9a-f].json")
    floors = [[row for row in one.rows if row.kind == "floor"] for one in (result, read_result(file.with_suffix("")))]
    assert floors[0] == floors[1], "of detectors that learn nothing"
    frame = read_leaderboard(made / "leaderboard.csv")
    assert set(frame.loc[frame["config_hash"] == result.config_hash, "defender"]) == {"trusted"}


@pytest.mark.parametrize("name", ["prune", "finetune"])
def test_a_team_is_repaired(made, capsys, name):
    assert main(["repair", name, *TINY, f"out={made}"]) == 0
    assert "wins without the trigger" in capsys.readouterr().out
    (file,) = made.glob(f"repairs/*spatiotemporal*-{name}-*.csv")
    table = pd.read_csv(file)
    assert table["team"].tolist() == ["delivered", "repaired"]
    (run,) = made.glob("runs/*isoforest*[0-9a-f].json")
    figures = read_result(run.with_suffix("")).figures
    assert table["win_rate_high"].iloc[0] == pytest.approx(figures.win_backdoored.high)
    assert table["win_rate_triggered_high"].iloc[0] == pytest.approx(figures.win_triggered.high)
    assert main(["repair", name, *TINY, f"out={made}"]) == 0
    assert f"read from {file}" in capsys.readouterr().err


@pytest.mark.slow
def test_a_detector_on_the_teams_for_development(made, capsys):
    """Resumed: the cell is the fixture's, but for the detector."""
    words = ["dev", "ecod", *TINY, f"out={made}", f"leaderboard={made}/dev.csv", "attack=scripted",
             "sweep.grids=[{algo: [vdn]}]"]
    for _ in range(2):
        assert main(words) == 0
        said = capsys.readouterr()
        assert "spatiotemporal" in said.out or "scripted" in said.out
        for title in ("backdoor detection before onset, on these teams alone", "in the first 5 steps, on these teams"):
            assert title in " ".join(said.out.split())
    assert set(read_leaderboard(made / "dev.csv")["detector"]) == {"ecod"}
    assert main(["dev", "ecodd", *TINY]) == 2
    assert "did you mean 'ecod'?" in capsys.readouterr().err


@pytest.mark.slow
def test_a_failed_cell_of_a_sweep_is_a_row_that_says_so(made, tmp_path, monkeypatch, capsys):
    (tmp_path / "half_blind.py").write_text(OWN_DETECTOR)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["run", "-m", *TINY, "~detector", "+detector._target_=half_blind.Blind,half_blind.FarFromNormal",
             f"out={made}", f"leaderboard={tmp_path}/sweep.csv"]
    assert main(words) == 2
    frame = read_leaderboard(tmp_path / "sweep.csv")
    assert set(frame[frame.detector == "Blind"].status) == {"error"}
    assert frame[frame.detector == "Blind"].error.str.contains("not finite").all()
    assert set(frame[frame.detector == "FarFromNormal"].status) == {"ok"}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("words", "message"), [
    (["rnu"], "unknown command 'rnu'; allowed: run, train, inject, check, export, "),
    (["rnu"], "(did you mean 'run'?)"),
    (["run", "attack=spatiotempral"], "unknown attack 'spatiotempral'; allowed: algorithm1, always_on, backdoorl, "),
    (["run", "attack=spatiotempral"], "(did you mean 'spatiotemporal'?)"),
    (["run", "detector=isofrst"], "unknown detector 'isofrst'"),
    (["run", "env.map=8n"], "(did you mean '8m'?)"),
    (["run", "env.opponent=far"], "unknown opponent 'far'; allowed: random, closest"),
    (["run", "attack.foo=1"], "unknown value 'attack.foo'; allowed: attack."),
    (["run", "attack=="], "the value of 'attack==' cannot be read"),
    (["run", "seed=-1"], "seed is -1"),
    (["run", "budget.test_battles=0"], "budget.test_battles is 0"),
    (["run", "response=fallbck"], "unknown response 'fallbck'; allowed: fallback, freeze, halt, none, projection, "),
    (["run", "response.name=halt"], "response is {'name': 'halt'}, which names no class; allowed: response=fallback, "),
    (["run", "response=halt", "+response.steps=1"], "Halt: steps is 1; Unexpected keyword argument"),
    (["repair", "prune", "+repair.steps=1"], "Prune: steps is 1; Unexpected keyword argument"),
    (["run", "response=freeze", "response.action=sit"], "unknown action in smax/8m/random 'sit'; allowed: north, "),
    (["run", "response=halt", "response.battles=0"], "response bench.detectors.responses.Halt: battles is 0"),
    (["run", "response=halt", "budget.calibration_battles=18"], "budget.calibration_battles is 18; allowed: whole "
                                                                "numbers from 19"),
    (["run", "response=halt", "budget.response_battles=0"], "budget.response_battles is 0"),
    (["leaderboard", "after_steps=4"], "other after_steps are for single runs; the leaderboard's are 5"),
    (["run", "after_steps=true"], "after_steps is True; allowed: whole numbers from 1, or null"),
    (["run", "after_steps=0"], "after_steps is 0; allowed: whole numbers from 1, or null"),
    (["run", "defender=trustd"], "unknown defender 'trustd'; allowed: suspect, trusted (did you mean 'trusted'?)"),
    (["run", "attack.trigger.psi='dx[0] <'"], "formula 'dx[0] <' does not parse"),
    (["run", "attack.trigger.zeta=[wst,west,west,west]"], "unknown order in smax/8m/random 'wst'"),
    (["run", "attack.poison_rate=2"], "poison_rate is 2; allowed: 0 to 1"),
    (["run", "attack.payload.balance=high"], "balance"),
    (["run", "detector._target_=nowhere.Detector"], "cannot make detector nowhere.Detector"),
    (["run", "detector.n_trees=3"], "unknown value 'detector.n_trees'; allowed: detector."),
    (["run", "+detector.n_trees=3"], "unexpected keyword argument 'n_trees'"),
    (["run", "attack=scripted", "attack.victim=[0,1]"],
     "victim is [0, 1]; a payload of type OpenedFailing is for one agent"),
    (["run", "attack=trigger_policy", "attack.victim=[0,1]"],
     "this trigger is shown to one agent; the poisoned agents are [0, 1]"),
    (["run", "attack=trojdrl", "attack.trigger.features=[900]"], "feature 900 is not in an observation of 205"),
    (["run", "attack=marnet", "env.map=3m"], "poisoned agent 3 does not exist; smax/3m/random has agents 0 to 2"),
    (["run", "attack=scripted", "attack.learning=distilled"],
     "learning=distilled does not fit a payload of type OpenedFailing"),
    (["run", "env.map=3m", "attack.victim=6"], "poisoned agent 6 does not exist; smax/3m/random has agents 0 to 2"),
    (["run", "algo.name=vnd"], "name is 'vnd'; Input should be 'vdn' or 'qmix'"),
    (["run", "algo.batch=0"], "batch is 0"),
    (["run", "algo.buffer=100"], "buffer is 100; learning begins with 8 batches of 32"),
    (["run", "budget.train_steps=0"], "budget.train_steps is 0"),
    (["run", "detector=null"], "unknown detector 'null'; allowed: action_drift"),
    (["run", "~detector"], "no detector is configured"),
    (["run", "detector=bigram", "view=window"], "view=... is given, but this detector takes none"),
    (["run", "view=windw"], "unknown view 'windw'; allowed: actions, allies, "),
    (["run", "detector=pyod", "detector.estimator._target_=pyod.models.hbs.HBOS"], "unknown name in pyod.models 'hbs'"),
    (["run", "~attack"], "attack"),
    (["run", "format=csv"], "format is of the command export; run has no such value"),
    (["train", "repair=prune"], "repair is of the command check and repair; train has no such value"),
    (["sweep", "seed=0"],
     "no sweep is configured; allowed: sweep=bounds, departures, dev, frontier, hidden, shipped, table1, zoo"),
    (["sweep", "sweep=table2"],
     "unknown sweep 'table2'; allowed: bounds, departures, dev, frontier, hidden, shipped, table1, zoo"),
    (["sweep", "+sweep.name=x"], "sweep: grids"),
    (["sweep", "+sweep.name=x", "+sweep.grids=[]"], "sweep: grids: there is no cell in them"),
    (["sweep", "+sweep.name=x", "+sweep.grids=[{attack: []}]"], "sweep: grids: there is no cell in them"),
    (["figures", "attack=none"], "attack=none leaves no backdoor to draw"),
    (["zoo", "bild"], "unknown task of zoo 'bild'; allowed: list, build, publish (did you mean 'build'?)"),
    (["zoo", "list", "only=none"], "the zoo has no attack 'none'; it has always_on, backdoorl, benign_finetune"),
    (["repair", "seed=0"], "no repair is configured; allowed: repair=consensus, consensus_aligned, finetune, "),
    (["repair", "prun"], "unknown repair 'prun'; allowed: consensus, "),
    (["repair", "prun"], "(did you mean 'prune'?)"),
    (["train", "+algo.gama=1"], "algorithm bench.marl.learner.Learning: gama is 1; Unexpected keyword argument"),
    (["inject", "+attack.retraining.x=1"], "x is 1; Unexpected keyword argument"),
    (["train", "~algo.gamma"], "algorithm bench.marl.learner.Learning: gamma is missing"),
    (["repair", "prune", "repair.share=1"],
     "repair bench.detectors.repairs.Prune: share is 1; Input should be less than 1"),
    (["repair", "bench.detectors.Constant", "repair.value=2"], "Constant() takes no arguments"),
    (["repair", "bench.detectors.Constant"], "bench.detectors.Constant is no repair: it has not all that "
                                             "bench.contracts.Repair has"),
    (["verify", "budget.test_battles=0"], "budget.test_battles is 0"),
    (["verify", "only=tolld"], "the zoo has no attack 'tolld'; it has always_on, backdoorl, benign_finetune"),
    (["verify", "team=/nowhere/team"], "no checkpoint at /nowhere/team.safetensors")])
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    assert message in fails(capsys, *words, f"out={tmp_path}" if len(words) > 1 else "")
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert not left, "nothing half-written"


def test_no_place_for_results(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert f"{tmp_path}/file is no folder; choose another" in fails(capsys, "run", *TINY, f"out={tmp_path}/file/x")
    said = fails(capsys, "run", *TINY, f"out={tmp_path}/new", f"leaderboard={tmp_path}")
    assert f"a file is needed, such as leaderboard={tmp_path}/leaderboard.csv" in said
    said = fails(capsys, "run", *TINY, f"out={tmp_path}/new", f"leaderboard={tmp_path}/file/x.csv")
    assert f"{tmp_path}/file is no folder" in said
    assert "may not be written to" in fails(capsys, "run", *TINY, "out=/proc/1/x"), "a place where nobody may write"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_two_runs_at_once(made, capsys):
    from bench.artifacts.files import locked

    words = ["run", *TINY, "seed=0", f"out={made}", "detector=constant"]
    assert main(words) == 0
    (file,) = made.glob("runs/*constant*[0-9a-f].json")
    with locked(file.with_suffix("")):
        assert "another run is writing" in fails(capsys, *words)


def test_verify_measures_again_and_notices(made, capsys):
    team = str(next(made.glob("teams/*spatiotemporal*.safetensors")))
    assert main(["verify", *TINY, f"team={team}"]) == 0
    said = capsys.readouterr().out
    assert "win_rate_triggered" in said
    description = Path(team).with_suffix(".json")
    about = json.loads(description.read_text())
    kept = description.read_text()
    about["measured"]["win_rate"] = {"value": 2.0, "low": 1.9, "high": 2.1}
    description.write_text(json.dumps(about))
    assert "outside the stored interval" in fails(capsys, "verify", *TINY, f"team={team}")
    description.write_text(kept)


def start_training(cwd, *words):
    command = [sys.executable, "-m", "bench", "train", "env.map=3m", "budget=smoke", "budget.train_steps=8000",
               "algo.eval_every=500", f"out={cwd}", *words]
    # What a shell runs in the background ignores Ctrl-C, and so do its children, unless their parent does not.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    return command, process


def wait_for(pattern, folder):
    for _ in range(1200):
        if list(folder.glob(pattern)):
            return
        time.sleep(0.1)
    raise AssertionError(f"no {pattern} after two minutes")


@pytest.mark.slow
def test_training_killed_goes_on_and_ends(tmp_path):
    command, process = start_training(tmp_path)
    wait_for("teams/*.partial.safetensors", tmp_path)
    time.sleep(1)
    process.kill()
    process.communicate()
    written = json.loads(read_metadata(next(tmp_path.glob("teams/*.partial.safetensors")))["values"])
    assert 0 < written["steps"] < 8000
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("teams/*.json")
    steps = [row["steps"] for row in load_team(file)[1]["curve"]]
    assert steps == sorted(steps)
    assert steps[-1] >= 8000
    assert written["curve"][0]["steps"] == steps[0], "the curve begins where the killed run began"


@pytest.mark.slow
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_a_usable_team(tmp_path, signal_number):
    _, process = start_training(tmp_path, "seed=1")
    wait_for("teams/*-latest.json", tmp_path)
    process.send_signal(signal_number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert b"interrupted" in said
    assert b"Traceback" not in said
    team, about = load_team(next(tmp_path.glob("teams/*-latest.json")))
    assert about["unfinished"]
    assert team.spec.id == "smax/3m/random"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux lists a process's children")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_that_a_sweep_has_started_outlives_it(tmp_path, number):
    words = ["env.map=3m", "budget=smoke", "budget.train_steps=800000", "algo.eval_every=500", f"out={tmp_path}",
             "+sweep.name=long", "+sweep.grids=[{attack.victim: [1]}]", "seed=1"]
    process = subprocess.Popen([sys.executable, "-m", "bench", "sweep", *words], cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    wait_for("teams/*-latest.json", tmp_path)
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    started = [int(child) for file in children for child in file.read_text().split()]
    process.send_signal(number)
    process.communicate(timeout=120)
    assert started
    assert process.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    for _ in range(100):
        left = [child for child in started if Path(f"/proc/{child}").exists()]
        if not left:
            break
        time.sleep(0.1)
    assert not left


@pytest.mark.slow
def test_a_wheel_carries_configuration_and_checkpoints(tmp_path):
    here = Path(bench.__file__).parents[1]
    built = python("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path / "dist"),
                   str(here), cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("marl_backdoor_bench-*.whl")
    assert wheel.stat().st_size < 60e6
    installed = python("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path / "site"), str(wheel),
                       cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    assert sorted(file.name for file in (tmp_path / "site").iterdir() if "." not in file.name) == ["bench", "bin"]
    where = python("-c", "import bench.conf; print(bench.__file__)", cwd=tmp_path, env=environment)
    assert where.stdout.startswith(str(tmp_path / "site"))
    assert (tmp_path / "site/bench/py.typed").exists(), "checkers of types read the annotations of an installed package"
    script = str(tmp_path / "site/bin/marl-backdoor-bench")
    said, wrong = (subprocess.run([script, word], cwd=tmp_path, env=environment, capture_output=True, text=True,
                                  timeout=60) for word in ("--help", "rnu"))
    assert said.stdout == python("-m", "bench", "--help", cwd=tmp_path, env=environment).stdout
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: unknown command 'rnu'")
    assert len(wrong.stderr.splitlines()) == 1
    run = python("-m", "bench", "run", "budget.fit_battles=8", "budget.calibration_battles=16",
                 "budget.test_battles=32", cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stderr
    assert "no checkpoint matches" not in run.stderr, "the shipped teams are found"
    assert "ASR" in run.stdout
    shown = python("-m", "bench", "leaderboard", "--show", cwd=tmp_path, env=environment)
    assert "sentinel" in shown.stdout, shown.stderr
    assert not (tmp_path / "leaderboard").exists()
    missing = python("-m", "bench", "reproduce", "123456789012", cwd=tmp_path, env=environment)
    assert "unknown row '123456789012'" in missing.stderr
