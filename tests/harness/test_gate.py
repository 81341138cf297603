"""Strangers' files that try to have code run, by every command that reads one: nothing of theirs is run or imported."""

from __future__ import annotations

import copy
import json
import os
import shlex
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import EntryPoint
from pathlib import Path

import pandas as pd
import pytest
from hydra import initialize_config_module

from bench import BENCHMARK, plugins
from bench.__main__ import main
from bench.artifacts.files import sha256
from bench.artifacts.teams import save_team
from bench.contracts import Estimate, Figures, Result
from bench.errors import BenchError
from bench.harness import gate
from bench.harness.composed import PARTS, composed
from bench.harness.configuration import describe
from bench.harness.estimators import ESTIMATORS
from bench.harness.sweep import hash_of
from bench.leaderboard.packed import unpacked

ROOT = Path(__file__).parents[2]
EVIL = "{_target_: evil_module.Evil}"
CALL = "{_target_: os.system, command: 'touch marker'}"
SYMPY = """{_target_:sympy.sympify,a:"__import__('os').system('touch marker')"}"""
NESTED = "{a: " * 200 + "1" + "}" * 200
NAMES = ["../evil", "../../../evil", "TMP/evil", "pkg://evil_module/evil", "file://TMP/evil", "${oc.env:HOME}",
         "${evil}", "spatiotemp\u043eral", "spatiotemporal\n", "spatiotemporal\n- evil", "vdn.yaml",
         "vdn,qmix", "[vdn]", "vdn\\", "7", "true", EVIL, "x" * 5_000]
HOSTILE = [  # what a stranger's cell may not be made by
    *(f"{group}={name}" for group in ("attack", "algo", "env", "detector", "response", "budget", "attack@control")
      for name in NAMES),
    *(f"{group}={value}" for group in ("attack", "algo", "env", "detector", "view", "response", "budget", "control",
                                       "seed", "defender", "after_steps", "attack.victim", "attack.trigger.psi",
                                       "algo.steps", "env.map", "budget.test_battles", "attack.payload")
      for value in (EVIL, CALL, NESTED, SYMPY, f"[{CALL}]", f"{{a: {CALL}}}")),
    *(f"{sign}{place}._target_={target}" for sign in ("", "+", "++")
      for target in ("os.system", "evil_module.Evil", "[a]")
      for place in ("attack", "attack.trigger", "attack.payload", "attack.retraining", "control.trigger", "algo", "env",
                    "budget", "response", "seed")),
    *(f"{sign}{place}.{key}={value}" for sign in ("", "++") for place in (
        "attack", "attack.trigger", "algo", "env", "detector", "detector.estimator", "view")
      for key, value in (("_partial_", "true"), ("_recursive_", "false"), ("_convert_", "all"),
                         ("_args_", f"[{CALL}]"))),
    *(f"{place}=${{oc.env:HOME}}" for place in ("attack.trigger.psi", "attack.learning", "algo.gamma", "env.opponent",
                                                "detector.max_samples", "detector.view", "view.length", "defender")),
    *(f"attack.trigger.psi={value}" for value in ("'dx[0] > 0\nimport os'", "\u202edx[0]", "???", "x" * 1_001,
                                                  "\x1b[2J", "'${oc.env:HOME}'", "\\${evil}")),
    *(f"seed={value}" for value in ("0,1", "choice(0,1)", "range(0,9)",
                                     "10000000000000", "glob(*)", "nan", "-inf")),
    *(f"{place}={value}" for place in ("budget.test_battles", "algo.gamma")
      for value in ("nan", "inf", "-1e300", 10**30)),
    *(f"{where}={value}" for where, value in (
        ("hydra.searchpath", "[file://TMP]"), ("hydra/launcher", "evil"), ("hydra.run.dir", "/"), ("race", EVIL),
        ("repair", "prune"), ("model_detector", "trigger_search"), ("out", "/etc"), ("plugin", "evil_module"),
        ("referee", "/etc/passwd"), ("limits.minutes", "1e9"), ("cell.seed", "1"), ("sweep", "zoo"), ("a b", "1"),
        ("", "1"), ("\u0430ttack", "x"), ("isolation", "none"), ("leaderboard", "/etc/passwd"), ("team", "x"),
        ("+evil", "1"),
        ("attack@evil", "marnet"), ("attack@_global_", "marnet"), ("attack@hydra.x", "marnet"), ("view@a.b", "step"),
        ("+attack.evil", "1"), ("++algo.evil", "1"), ("+budget.evil", "1"), ("+env.evil", "1"), ("+attack", "marnet"),
        ("+seed", "1"), ("attack.tri gger.x", "1"), ("attack.a/b", "1"))),
    "--config-dir", "--config-dir=TMP", "--cfg", "-m", "--multirun", "-cd", "~attack", "~seed", "~detector=isoforest",
    "~detector.view", "~view", "run", "", " ", "detector", "=x", "x" * 5_000, None, 7, ["seed=1"], {"a": 1}, b"seed=1",
    *(f"detector={value}" for value in ("../evil", "{a: b}", "null", "[knn]", "knn,hbos", "7")),
    *(f"detector._target_={name}" for name in ("os.system", "builtins.eval", "../evil", "1", "[evil_module.Evil]",
                                              "evil_module", "'evil_module.Evil\n'", "subprocess.Popen", "Evil")),
    *(f"detector.estimator={node}" for node in (CALL, f"{{_target_: sklearn.svm.OneClassSVM, kernel: {CALL}}}",
                                                "{_target_: sklearn.svm.OneClassSVM, _args_: [1]}", f"[{EVIL}]")),
    *(f"{place}={node}" for place in ("view", "detector.view") for node in (
        CALL, f"[{EVIL}]", f"{{_target_: bench.detectors.Window, view: {CALL}}}")),
    f"detector.parts=[{CALL}]", f"detector.parts={{a: [{{b: {EVIL}}}]}}", f"detector.members=[{{detector: {CALL}}}]",
]
ELSEWHERE = [  # what may be its author's own, and is not here: refused, but a report says so and goes on
    *(f"{group}={name}" for group in ("attack", "algo", "env", "detector") for name in (
        "evil", "evil_module", "Spatiotemporal")),
    *(f"detector._target_={name}" for name in (
        "evil_module.Evil", "evil_module.os.system", "sympy.sympify", "numpy.save", "bench.marl.train.Trainer",
        "detectors.nothing.Evil", "hydra.utils.get_class", "evil_module.sub.Evil")),
    *(f"detector.estimator._target_={name}" for name in (
        "evil_module.Evil", "sklearn.utils.Bunch", "sklearn.pipeline.Pipeline", "joblib.load",
        "pyod.models.knn.x.Y", "pyod.models.embedding.EmbeddingOD", "sklearn.datasets.load_files", "torch.hub.load",
        "sklearn.svm.os.system")),
    f"detector.estimator.n_jobs={EVIL}", f"detector.view={EVIL}",
    f"detector.view={{_target_: bench.detectors.Window, view: {EVIL}}}", "view._target_=detectors.views.over.os.system",
]
NODE = {"_target_": "evil_module.Evil"}
DEEP: dict = {}
for _ in range(200):
    DEEP = {"a": DEEP}
CHECKPOINTS = [  # (where, in a checkpoint's JSON, what)
    *(("env/id", value) for value in (f"smax/{SYMPY}/random", "smax/3m/..", "../../evil", "smax/${oc.env:HOME}/random",
                                      "smax/3m/random\n", NODE, ["smax/3m/random"], "evil_module/3m/random")),
    *(("algo", value) for value in ("../evil", "evil_module", NODE, ["vdn"], None, "vdn\n", "${oc.env:HOME}")),
    ("env/n_agents", {"_target_": "os.system"}), ("env/n_agents", 10**9), ("env/state_size", NODE),
    ("env/version", "evil"),
    ("env", "evil"),
]
CLAIMS = [("recipe", "evil"), ("recipe/attack", ["evil"]), ("recipe/attack", {"trigger": {"a": "${oc.env:HOME}"}}),
          ("recipe/attack", DEEP), ("measured", NODE), ("measured/win_rate", {"_target_": "os.system"}),
          ("measured/win_rate/low", "x"),
          ("trigger", {"weights": "${x}"}), ("measured/win_rate", None)]


def put(values: dict, where, what) -> dict:
    """The values with another at one place."""
    values = copy.deepcopy(values)
    if where == {}:
        return values | what
    *outer, last = where.split("/")
    node = values
    for name in outer:
        node = node.setdefault(name, {})
    node[last] = what
    return values


def label(value) -> str:
    return ascii(value)[:40]


@pytest.fixture(autouse=True)
def stranger(tmp_path, monkeypatch):
    """A folder with a stranger's module and option, from which commands are run; nothing of it may be touched."""
    (tmp_path / "evil_module.py").write_text("import os\nopen('marker', 'w').close()\nclass Evil:\n    pass\n")
    (tmp_path / "evil.yaml").write_text("_target_: evil_module.Evil\nname: evil\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "marker").exists(), "the stranger's code was run"
    assert "evil_module" not in sys.modules


@pytest.fixture
def hydra():
    with initialize_config_module("bench.conf", version_base="1.3"):
        yield


def refused(capsys, *words: str) -> str:
    code, said = main(list(words)), capsys.readouterr()
    assert code == 2, said
    assert said.err.startswith("error: "), said.err
    assert said.err.count("\n") == 1, said.err
    return said.err


def result_file(path: Path, overrides: list) -> str:
    """A result that gives these words for its cell, with its seal right."""
    found = Result("ok", None, BENCHMARK, "smax/8m/random", "v", "vdn", "spatiotemporal", "behaviour", 1, 0.5, 0.1,
                   "isoforest", 0, {}, "0" * 12, {}, None, {}, Figures(*[Estimate(0.5)] * 8), [], {}, None, "", 1.0,
                   overrides=overrides)
    text = json.dumps(asdict(found)).replace("TMP", str(path.parent))
    seal = sha256(json.dumps(json.loads(text), sort_keys=True).encode())
    path.write_text(f'{{"sha256": "{seal}", "result": {text}}}')
    return str(path)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("word", HOSTILE, ids=label)
def test_no_such_word_passes(word):
    with pytest.raises(BenchError) as error:
        gate.overrides(["algo=qmix", word, "seed=1"])
    assert not isinstance(error.value, gate.NotHere), error.value


@pytest.mark.parametrize("words", [None, "seed=1", ["seed=1"] * 101, {"seed": 1}, 7])
def test_words_are_a_list(words):
    with pytest.raises(BenchError, match="needed is a list of up to 100"):
        gate.overrides(words)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(0, len(HOSTILE), 9), ids=lambda number: label(HOSTILE[number]))
def test_results_are_refused(stranger, capsys, number):
    if isinstance(HOSTILE[number], bytes):
        pytest.skip("JSON has no such value")
    file = result_file(stranger / "result.json", [HOSTILE[number]])
    refused(capsys, ("submit", "report")[number % 2], file, "leaderboard=l.csv")
    assert not list(stranger.glob("*.html")) + list(stranger.glob("l.csv*"))


@pytest.mark.parametrize("word", ELSEWHERE, ids=label)
def test_what_is_not_here_is_not_imported_to_see(stranger, capsys, word):
    with pytest.raises(gate.NotHere):
        gate.overrides([word])
    if ELSEWHERE.index(word) % 6:  # a report takes its time
        return
    assert main(["report", result_file(stranger / "result.json", [word])]) == 0
    assert "no command of this version makes" in capsys.readouterr().err
    assert "python -m bench run" not in (stranger / "result.html").read_text()


@pytest.mark.sampled(4)
@pytest.mark.parametrize("word", ["attack.__class__=1", "attack.nothing=1", "detector.nothing=1", "control.x.y=1",
                                  "attack.trigger.psi=7", "seed=x", "seed=-1", "env.map=../8m", "env.map=[8m]",
                                  "budget.test_battles='24 out=/'", "algo.gamma=x", "attack.victim={a: 1}",
                                  "defender=../evil", "after_steps=x", "attack.retraining=7",
                                  "detector.estimator=evil"])
def test_a_word_that_makes_no_cell(stranger, capsys, word):
    """It may pass, being plain, but leads to nothing that a result can be of."""
    file = result_file(stranger / "result.json", [word])
    refused(capsys, "submit", file, "leaderboard=l.csv")


@pytest.fixture(scope="module")
def row():
    csv = ROOT / "leaderboard" / "leaderboard.csv"
    return unpacked(pd.read_csv(csv, dtype=str, nrows=1), csv)


@pytest.mark.slow
@pytest.mark.parametrize("word", [word for word in HOSTILE if isinstance(word, str)][::9], ids=label)
def test_rows_are_refused(row, stranger, capsys, word):
    row.assign(overrides=shlex.join([word])).to_csv("l.csv", index=False)
    refused(capsys, "reproduce", row["row_id"][0], "leaderboard=l.csv", "out=o")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("text", ["'seed=1", "seed=1 '", "\\", "seed=1\n-m", "a" * 500_000])
def test_a_row_that_is_no_command(row, stranger, capsys, text):
    row.assign(overrides=text).to_csv("l.csv", index=False)
    refused(capsys, "reproduce", row["row_id"][0], "leaderboard=l.csv", "out=o")


def test_a_row_whose_hash_is_that_of_its_exploit(row, stranger, capsys):
    words = ["attack=told", "env.opponent='../evil'"]
    with initialize_config_module("bench.conf", version_base="1.3"):
        digest = hash_of(words)
    row.assign(overrides=shlex.join(words), config_hash=digest).to_csv("l.csv", index=False)
    assert main(["reproduce", row["row_id"][0], "leaderboard=l.csv", "out=o"]) == 2
    assert "error: unknown opponent" in capsys.readouterr().err


@pytest.fixture
def about(team, stranger):
    """A whole checkpoint of a clean team, and what its JSON says."""
    (stranger / "referee").mkdir()
    save_team(stranger / "referee" / "team", team, {"recipe": {"seed": 0}, "measured": {
        "win_rate": {"value": 0.5, "low": 0.0, "high": 1.0}}})
    return json.loads((stranger / "referee" / "team.json").read_text())


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("where", "what"), CHECKPOINTS, ids=label)
def test_checkpoints_are_refused(about, capsys, where, what):
    Path("referee/team.json").write_text(json.dumps(put(about, where, what)))
    refused(capsys, "models", "holdout=referee", "out=o")


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("where", "what"), CHECKPOINTS[::4] + CLAIMS, ids=label)
def test_claims_of_checkpoints_are_refused(about, capsys, where, what):
    Path("referee/team.json").write_text(json.dumps(put(about, where, what)))
    refused(capsys, "verify", "team=referee/team", "budget=smoke", "out=o")


@pytest.mark.parametrize("name", ["../evil", "${oc.env:HOME}", "=cmd|' /C calc'!A0", SYMPY, "evil_module"])
def test_labels_are_refused(about, capsys, name):
    pd.DataFrame({"checkpoint": [name], "backdoored": ["true"]}).to_csv("referee/labels.csv", index=False)
    assert "unknown checkpoint" in refused(capsys, "models", "holdout=referee", "out=o")


@pytest.mark.slow
def test_as_a_user_sees_it(row, stranger):
    result_file(stranger / "result.json", ["attack=../evil"])
    row.assign(overrides=f"'env.map={SYMPY}'").to_csv("l.csv", index=False)
    for words in (["submit", "result.json"], ["report", "result.json"], ["reproduce", row["row_id"][0]]):
        done = subprocess.run([sys.executable, "-m", "bench", *words, "leaderboard=l.csv"], capture_output=True,
                              text=True, timeout=120, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(("named", "message"), [
    ("os", "plugin=os: os is Python's or this benchmark's own"), ("bench", "own, and no plug-in"),
    ("detectors", "own, and no plug-in"), ("nowhere", "plugin=nowhere: no package of this name is installed here"),
    ("../evil", r"plugin is \.\./evil; allowed: names of installed packages"), ([["a"]], "allowed: names of installed"),
    ("marl-backdoor-bench", "own, and no plug-in"), (7, "plugin is 7; allowed")])
def test_packages_that_no_plugin_is(named, message):
    with pytest.raises(BenchError, match=message):
        plugins.trusted([named])


def test_packages_are_named_as_they_are_installed_or_imported():
    assert plugins.trusted(None) == frozenset()
    assert plugins.trusted(["Scikit_Learn", "pyod"]) == {"sklearn", "pyod"}
    assert plugins.trusted("evil_module") == {"evil_module"}


def test_a_named_packages_detectors_have_plain_values():
    mine = ["~detector", "+detector._target_=mine.Detector", "++detector.a=[1,{b: 'it\\'s'}]", "++detector.slack=inf",
            "++detector.view={_target_: bench.detectors.Window, length: 3, view: {_target_: bench.detectors.Step}}",
            "++detector.estimator={_target_: mine.Estimator, n: 3}"]
    trusted = frozenset({"mine"})
    assert gate.overrides(mine, trusted) == mine
    for word in ("+detector._target_=yours.Detector", f"++detector.a={EVIL}", f"++detector.estimator={EVIL}",
                 f"++detector.view={CALL}", f"++detector.b=[{CALL}]", "++detector._partial_=true",
                 "++detector.x={_args_: [1]}", "++detector.estimator.n={_target_: mine.X}",
                 "++detector.x='${oc.env:HOME}'", "++detector.x={_target_: mine.X}"):
        with pytest.raises(BenchError):
            gate.overrides([*mine, word], trusted)
    view = ["detector=knn", "detector.view={_target_: mine.View, k: 1}"]
    assert gate.overrides(view, trusted) == view
    with pytest.raises(BenchError, match=r"say that you trust it, plugin=\[mine\]"):
        gate.overrides(view)


@pytest.mark.parametrize("group", sorted(plugins.GROUPS))
def test_an_installed_packages_option_by_its_name(monkeypatch, group):
    monkeypatch.setattr(plugins, "_points", lambda kind: [EntryPoint("far", "mine.sub:Far", kind)])
    if group in PARTS:
        assert gate.overrides([f"{group}=far"], frozenset({"mine"})) == [f"{group}=far"]
    with pytest.raises(BenchError):
        gate.overrides([f"{group}=far"])


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_the_estimators_that_a_file_may_choose_pass(name):
    gate.overrides(["detector=pyod", f"detector.estimator._target_={name}", "++detector.estimator.contamination=0.05",
                    "++detector.estimator.metric=euclidean"])


@pytest.mark.parametrize("words", [
    [], ["detector=ocsvm"], ["detector=sentinel", "attack=trigger_policy", "algo=qmix"],
    ["detector=isoforest", "view=pooled", "attack.victim=[0,1]", "response=halt"],
    ["detector=isoforest_window", "view.length=8", "env.map=3m", "budget=smoke", "budget.test_battles=9"],
    ["attack.trigger.psi='dx[0] > 0.8 and not dx[1] < -2'", "attack.trigger.zeta=[west,east]",
     "attack@control=natural"],
    ["detector=pyod", "detector.estimator._target_=sklearn.svm.OneClassSVM", "+detector.estimator.kernel=rbf",
     "after_steps=5", "control=null"],
    ["trigger@attack.trigger=patch", "payload@attack.payload=worst_action", "attack.poison_rate=0.25"],
    ["~detector", "+detector._target_=bench.detectors.NGram", "+detector.view='${view}'", "view=own"]])
def test_what_was_run_here_passes(hydra, words):
    about = describe(composed(words))
    assert describe(composed(gate.overrides(json.loads(json.dumps(about.overrides))))) == about
