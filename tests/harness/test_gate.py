"""Strangers' files that try to have code run, by every command that reads one: nothing of theirs is run or imported."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_module

from bench import BENCHMARK, plugins
from bench.__main__ import main
from bench.artifacts.files import config_hash, sha256
from bench.artifacts.teams import save_team
from bench.contracts import Estimate, Figures, Result
from bench.errors import BenchError
from bench.harness import gate
from bench.harness.again import words_of_row
from bench.harness.configuration import describe
from bench.harness.estimators import ESTIMATORS
from bench.harness.sweep import hash_of
from bench.harness.words import words_of_config

ROOT = Path(__file__).parents[2]
EVIL = {"_target_": "evil_module.Evil"}
CALL = {"_target_": "os.system", "command": "touch marker"}
SYMPY = """{_target_:sympy.sympify,a:"__import__('os').system('touch marker')"}"""
NESTED: dict = {}
for _ in range(200):
    NESTED = {"a": NESTED}
NAMES = ["../evil", "../../../evil", "TMP/evil", "pkg://evil_module/evil", "file://TMP/evil", "${oc.env:HOME}",
         "${evil}", "spatiotemp\u043eral", "spatiotemporal\n", "spatiotemporal\n- evil", " vdn", "vdn.yaml", "'vdn'",
         "vdn,qmix", "[vdn]", "vdn\\", "", None, ["vdn"], 7, True, EVIL, "x" * 5_000]
HOSTILE = [  # (where, in a result's configuration, what): no result of this release can hold that
    *(("attack/name", name) for name in NAMES),
    *((f"{group}/name", name) for group in ("algo", "control", "response") for name in NAMES[:7] + NAMES[-6:]),
    *((where, value) for where in ("attack", "algo", "control", "env", "budget", "response") for value in (
        "../evil", ["evil"], EVIL, CALL) if (where, value) != ("response", EVIL)),
    *((f"{where}/_target_", value) for where in ("attack", "attack/trigger", "attack/payload", "attack/retraining",
                                                 "control/trigger", "algo", "env", "budget")
      for value in ("evil_module.Evil", "os.system", ["a.B"], 1)),
    *((where, value) for where in ("attack/trigger/psi", "attack/trigger/zeta", "attack/victim", "algo/steps",
                                   "env/map", "budget/test_battles", "seed", "detector/seed")
      for value in (EVIL, [CALL], NESTED, {"a": 1})),
    *(("detector/estimator/n_jobs", value) for value in ([CALL], NESTED)),
    *((f"{where}/{key}", value) for where in ("attack", "attack/trigger", "algo", "env", "detector",
                                              "detector/estimator", "detector/view")
      for key, value in (("_partial_", True), ("_recursive_", False), ("_convert_", "all"), ("_args_", [CALL]))),
    *((where, "${oc.env:HOME}") for where in ("attack/trigger/psi", "attack/learning", "algo/gamma", "env/opponent",
                                              "detector/max_samples", "detector/estimator/max_samples", "defender")),
    *(("attack/trigger/psi", value) for value in ("dx[0] > 0\nimport os", "\u202edx[0]", "???", "x" * 1_001,
                                                  "\x1b[2J")),
    *(("env/map", value) for value in ("..", "../8m", "8m/../x", "8m}", "8M", "8\u217f", SYMPY, None)),
    *(("env/opponent", value) for value in ("..", "/", "random\n", "rand\u043em", SYMPY)),
    *(("seed", value) for value in (-1, 1_000, "0", 0.5, True, None, [0], 10**30, "0 attack=marnet")),
    *(("budget/test_battles", value) for value in ("24", "24 out=/", float("nan"), float("inf"), 10**30, -1e300)),
    *(("algo/gamma", value) for value in (float("nan"), float("-inf"), 1e300, "0.99")),
    ("defender", "../evil"), ("defender", ["suspect"]), ("after_steps", "5; x"), ("after_steps", 0),
    *(({}, {key: value}) for key, value in (
        ("hydra", {"searchpath": ["file://TMP"]}), ("hydra.searchpath", ["file://TMP"]), ("hydra/launcher", "evil"),
        ("race", EVIL), ("repair", EVIL), ("model_detector", EVIL), ("out", "/etc"), ("plugin", "evil_module"),
        ("--config-dir", "TMP"), ("+evil", 1), ("a b", 1), ("\u0430ttack", EVIL), ("attack@evil", "x"), ("", 1))),
    ("attack/x: 1, _target_", "os.system"), ("budget/x}", 1), ("attack/trigger/x\ny", 1), ("budget/nothing", 1),
    *(("detector", node) for node in (CALL, {"_target_": "builtins.eval"}, {"_target_": "../evil"}, {"_target_": 1},
                                      {"_target_": "evil_module.Evil\n"}, {"_target_": "evil_module.Evil", "a": "${x}"},
                                      {"_target_": ["evil_module.Evil"]}, {"_target_": "evil_module"}, NESTED)),
    *(("detector/estimator", node) for node in (CALL, {"_target_": "sklearn.svm.OneClassSVM", "kernel": CALL},
                                                {"_target_": "sklearn.svm.OneClassSVM", "_args_": [1]},
                                                {"_target_": "sklearn.svm.OneClassSVM", "a b": 1}, "evil", [EVIL])),
    *(("detector/view", node) for node in (CALL, "../evil", [EVIL], {"_target_": "detectors.Window", "view": CALL},
                                           {"_target_": "detectors.Window", "length": "four"})),
]
ELSEWHERE = [  # what may be its author's own, and is not here: refused, but a report says so and goes on
    *((f"{group}/name", name) for group in ("attack", "algo") for name in ("evil", "evil_module", "Spatiotemporal")),
    ("response", EVIL),
    *(("detector", {"_target_": name, "a": "touch marker"}) for name in (
        "evil_module.Evil", "evil_module.os.system", "sympy.sympify", "numpy.save", "bench.marl.train.Trainer",
        "detectors.nothing.Evil", "hydra.utils.get_class", "evil_module.sub.Evil")),
    *(("detector/estimator", {"_target_": name}) for name in (
        "evil_module.Evil", "sklearn.utils.Bunch", "sklearn.pipeline.Pipeline", "joblib.load",
        "pyod.models.knn.x.Y", "pyod.models.embedding.EmbeddingOD", "sklearn.datasets.load_files", "torch.hub.load",
        "sklearn.svm.os.system")),
    ("detector/estimator/n_jobs", EVIL),
    ("detector/view", EVIL), ("detector/view", {"_target_": "detectors.Window", "view": EVIL}),
    ("detector/view", {"_target_": "detectors.views.over.os.system"}),
]
CELLS = [  # (column, value) of a leaderboard's row
    *(("env", value) for value in (
        f"smax/{SYMPY}/random", f"smax/8m/{SYMPY}", "smax/8m/..", "smax/../random", "smax/8m", "smax/8m/random/..",
        "8m", "smax/8m/random ++detector._target_=evil_module.Evil", "smax/${oc.env:HOME}/random", "smax/8m,3m/random",
        "smax//", "/etc/passwd", "smax/8\u217f/random", "smax/8m/random\n", "smax/'8m'/random", "evil/8m/random")),
    *((column, value) for column in ("attack", "algo", "detector") for value in (
        "../evil", "TMP/evil", "pkg://evil_module/evil", "${oc.env:HOME}", SYMPY, "{_target_:evil_module.Evil}", "null",
        "evil_module", "vdn,qmix", "'knn'", "knn\\", "spatiotempor\u0430l", "knn\nhydra.searchpath=[file://TMP]", "*")),
    *(("response", value) for value in ("../evil", "halt,none", "{name:halt}", "hal\u0442")),
    *(("defender", value) for value in ("../evil", "suspect,trusted")),
    *(("seed", value) for value in ("1000", "-1", "0.5", "0 evil=1", "[0]", "9" * 30, "nan")),
]
CHECKPOINTS = [  # (where, in a checkpoint's JSON, what)
    *(("env/id", value) for value in (f"smax/{SYMPY}/random", "smax/3m/..", "../../evil", "smax/${oc.env:HOME}/random",
                                      "smax/3m/random\n", EVIL, ["smax/3m/random"], "evil_module/3m/random")),
    *(("algo", value) for value in ("../evil", "evil_module", EVIL, ["vdn"], None, "vdn\n", "${oc.env:HOME}")),
    ("env/n_agents", CALL), ("env/n_agents", 10**9), ("env/state_size", EVIL), ("env/version", "evil"),
    ("env", "evil"),
]
CLAIMS = [("recipe", "evil"), ("recipe/attack", ["evil"]), ("recipe/attack", {"trigger": {"a": "${oc.env:HOME}"}}),
          ("recipe/attack", NESTED), ("measured", EVIL), ("measured/win_rate", CALL), ("measured/win_rate/low", "x"),
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


@pytest.fixture(scope="module")
def config():
    with initialize_config_module("bench.conf", version_base="1.3"):
        return describe(compose("config", []), None)[0]


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


def result_file(path: Path, config: dict) -> str:
    """A result of a configuration with all its hashes right, whatever that holds."""
    try:
        digest = config_hash(config)
    except ValueError:  # not a number
        digest = "0" * 12
    found = Result("ok", None, BENCHMARK, "smax/8m/random", "v", "vdn", "spatiotemporal", "behaviour", 1, 0.5, 0.1,
                   "isoforest", 0, config, digest, {}, None, {}, Figures(*[Estimate(0.5)] * 8), [], {}, None, "", 1.0)
    text = json.dumps(asdict(found)).replace("TMP", str(path.parent))
    content = json.loads(text)
    seal = sha256(json.dumps(content, sort_keys=True).encode())
    path.write_text(f'{{"sha256": "{seal}", "result": {text}}}')
    return str(path)


def test_no_such_configuration_passes(hydra, config, stranger, monkeypatch):
    once = cache(lambda name, words: compose(name, list(words)))  # most of them make the same choices
    monkeypatch.setattr(gate, "compose", lambda name, words: once(name, tuple(words)))
    for where, what in HOSTILE:
        with pytest.raises(BenchError) as error:
            words_of_config(put(config, where, what))
        assert not isinstance(error.value, gate.NotHere), (where, what, error.value)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(0, len(HOSTILE), 5), ids=lambda number: label(HOSTILE[number]))
def test_results_are_refused(config, stranger, capsys, number):
    where, what = HOSTILE[number]
    file = result_file(stranger / "result.json", put(config, where, what))
    refused(capsys, ("submit", "report")[number % 2], file, "leaderboard=l.csv")
    assert not list(stranger.glob("*.html")) + list(stranger.glob("l.csv*"))


@pytest.mark.parametrize(("where", "what"), ELSEWHERE, ids=label)
def test_what_is_not_here_is_not_imported_to_see(config, stranger, capsys, where, what):
    file = result_file(stranger / "result.json", put(config, where, what))
    with initialize_config_module("bench.conf", version_base="1.3"), pytest.raises(gate.NotHere):
        words_of_config(put(config, where, what))
    assert main(["report", file]) == 0
    assert "no command of this version makes" in capsys.readouterr().err
    assert "python -m bench run" not in (stranger / "result.html").read_text()


def test_nested_classes_are_those_of_the_option(stranger, capsys):
    """Also where an option names a class by a value, and within its lists."""
    with initialize_config_module("bench.conf", version_base="1.3"):
        ocsvm, sentinel = (describe(compose("config", [f"detector={name}"]), None)[0] for name in ("ocsvm", "sentinel"))
    steps = ocsvm["detector"]["estimator"]["_args_"]
    for changed in ([put(steps[0], "func/path", "evil_module.Evil"), *steps[1:]], [*steps, EVIL], [*steps, CALL],
                    [*steps[:2], CALL], steps[:2], [CALL, *steps[1:]],
                    [{**steps[0], "func": {"_target_": "hydra.utils.get_method", "path": "os.system"}}, *steps[1:]]):
        file = result_file(stranger / "result.json", put(ocsvm, "detector/estimator/_args_", changed))
        refused(capsys, "submit", file, "leaderboard=l.csv")
    members = sentinel["detector"]["members"]
    for changed in ([put(members[0], "detector", EVIL), *members[1:]], [*members, CALL], {"a": EVIL}, EVIL):
        file = result_file(stranger / "result.json", put(sentinel, "detector/members", changed))
        refused(capsys, "submit", file, "leaderboard=l.csv")


@pytest.fixture(scope="module")
def row():
    return pd.read_csv(ROOT / "leaderboard" / "leaderboard.csv", dtype=str, nrows=1)


def test_no_such_row_passes(hydra, row):
    for column, value in CELLS:
        changed = row.iloc[0].astype(object)
        changed[column] = value
        with pytest.raises(BenchError):
            words_of_row(changed, [])


@pytest.mark.slow
@pytest.mark.parametrize(("column", "value"), CELLS[::2], ids=label)
def test_rows_are_refused(row, stranger, capsys, column, value):
    row.assign(**{column: value.replace("TMP", str(stranger))}).to_csv("l.csv", index=False)
    refused(capsys, "reproduce", row["row_id"][0], "leaderboard=l.csv", "out=o")


def test_a_row_whose_hash_is_that_of_its_exploit(row, stranger, capsys):
    words = [f"{name}={row[name][0]}" for name in ("attack", "algo", "detector", "seed")]
    with initialize_config_module("bench.conf", version_base="1.3"):
        digest = hash_of([*words, f"env.map={SYMPY}", "env.opponent=random"])
    row.assign(env=f"smax/{SYMPY}/random", config_hash=digest).to_csv("l.csv", index=False)
    assert "unknown map" in refused(capsys, "reproduce", row["row_id"][0], "leaderboard=l.csv", "out=o")


@pytest.fixture
def about(team, stranger):
    """A whole checkpoint of a clean team, and what its JSON says."""
    (stranger / "referee").mkdir()
    save_team(stranger / "referee" / "team", team, {"recipe": {"seed": 0}, "measured": {
        "win_rate": {"value": 0.5, "low": 0.0, "high": 1.0}}})
    return json.loads((stranger / "referee" / "team.json").read_text())


@pytest.mark.parametrize(("where", "what"), CHECKPOINTS, ids=label)
def test_checkpoints_are_refused(about, capsys, where, what):
    Path("referee/team.json").write_text(json.dumps(put(about, where, what)))
    refused(capsys, "models", "holdout=referee", "out=o")


@pytest.mark.parametrize(("where", "what"), CHECKPOINTS[::4] + CLAIMS, ids=label)
def test_claims_of_checkpoints_are_refused(about, capsys, where, what):
    Path("referee/team.json").write_text(json.dumps(put(about, where, what)))
    refused(capsys, "verify", "team=referee/team", "budget=smoke", "out=o")


@pytest.mark.parametrize("name", ["../evil", "${oc.env:HOME}", "=cmd|' /C calc'!A0", SYMPY, "evil_module"])
def test_labels_are_refused(about, capsys, name):
    pd.DataFrame({"checkpoint": [name], "backdoored": ["true"]}).to_csv("referee/labels.csv", index=False)
    assert "unknown checkpoint" in refused(capsys, "models", "holdout=referee", "out=o")


@pytest.mark.slow
def test_as_a_user_sees_it(config, row, stranger):
    result_file(stranger / "result.json", put(config, "attack/name", "../evil"))
    row.assign(env=f"smax/{SYMPY}/random").to_csv("l.csv", index=False)
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


def test_a_named_packages_detectors_have_plain_values(hydra, config):
    mine = {"_target_": "mine.Detector", "a": [1, {"b": "it's"}], "slack": float("inf"), "view": {
        "_target_": "detectors.Window", "length": 3, "view": {"_target_": "detectors.Step"}}, "estimator": {
        "_target_": "mine.Estimator", "n": 3}}
    trusted = frozenset({"mine"})
    gate.check(config | {"detector": mine}, trusted)
    for where, what in (("_target_", "yours.Detector"), ("a", EVIL), ("estimator", EVIL), ("view", CALL),
                        ("b", [CALL]), ("a b", 1), ("_partial_", True), ("x", {"_args_": [1]}),
                        ("estimator/n", {"_target_": "mine.X"}), ("x", "${oc.env:HOME}"),
                        ("view/view", {"_target_": "mine.View"})):
        with pytest.raises(BenchError):
            gate.check(config | {"detector": put(mine, where, what)}, trusted)
    shipped = put(config, "detector/view", {"_target_": "mine.View", "k": 1})
    gate.check(shipped, trusted)
    with pytest.raises(BenchError, match=r"say that you trust it, plugin=\[mine\]"):
        gate.check(shipped, frozenset())


def test_an_installed_packages_detector_by_its_name(hydra, row, monkeypatch):
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("far", "mine.sub:Far", group)])
    cell = row.iloc[0].astype(object)
    cell["detector"], cell["seed"] = "far", 0
    assert gate.cell(cell, frozenset({"mine"}))["detector"] == "far"
    with pytest.raises(BenchError, match="unknown detector 'far'"):
        gate.cell(cell, frozenset())


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_the_estimators_that_a_file_may_choose_pass(hydra, config, name):
    node = {"_target_": name, "contamination": 0.05, "metric": "euclidean"}
    gate.check(put(config, "detector/estimator", node), frozenset())


@pytest.mark.parametrize("words", [["detector=ocsvm"], ["detector=sentinel", "attack=trigger_policy", "algo=qmix"],
                                   ["detector=isoforest", "view=pooled", "attack.victim=[0,1]", "response=halt"],
                                   ["detector=pyod", "detector.estimator._target_=sklearn.svm.OneClassSVM",
                                    "+detector.estimator.kernel=rbf", "after_steps=5", "control=null"]])
def test_what_was_run_here_passes(hydra, words):
    config = describe(compose("config", words), None)[0]
    made = words_of_config(config)
    assert describe(compose("config", made), None)[0] == config
