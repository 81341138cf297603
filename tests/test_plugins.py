"""What comes from outside, by every way in: a class, a folder of one's own, and an installed package."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_module

import bench
from bench import plugins
from bench.__main__ import main
from bench.artifacts.results import read_result
from bench.artifacts.teams import load_team
from bench.conformance.algorithms import CHECKS as ALGORITHM_CHECKS
from bench.conformance.attacks import CHECKS as ATTACK_CHECKS
from bench.conformance.checks import CHECKS
from bench.conformance.environments import CHECKS as ENVIRONMENT_CHECKS
from bench.errors import BenchError
from bench.harness.cell import control_of
from bench.leaderboard.rows import read_leaderboard
from bench.leaderboard.stealth import read_stealth
from bench.marl.learners import require_known

PACKAGE = Path(__file__).parent / "plugin_package"
ROOT = PACKAGE.parents[1]
# The shipped team of the smallest map, in a few battles.
TINY = ["attack=scripted", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000", "control=null",
        "budget.fit_battles=8", "budget.calibration_battles=16", "budget.test_battles=16"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder in which pip has installed the third party's package."""
    source, site = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for file in (f for f in PACKAGE.rglob("*") if f.suffix in (".py", ".toml", ".yaml")):  # pip builds in place
        (source / file.relative_to(PACKAGE)).parent.mkdir(parents=True, exist_ok=True)
        (source / file.relative_to(PACKAGE)).write_bytes(file.read_bytes())
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
                           "--no-index", "--disable-pip-version-check", "--target", str(site), str(source)],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return site


@pytest.fixture
def installed(site, monkeypatch):
    """The package can be imported, here and in processes that are started."""
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{ROOT}")
    forget()
    yield
    forget()


def forget():
    """Nothing of the package is imported any more."""
    for name in [name for name in sys.modules if name.split(".")[0] == "marl_backdoor_plugin"]:
        del sys.modules[name]


def result(out, name):
    (file,) = out.glob(f"runs/*-{name}-*[0-9a-f].json")
    return read_result(file.with_suffix(""))


def fails(capsys, *words) -> str:
    assert main(list(words)) == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.slow
def test_an_installed_package_by_its_name(installed, tmp_path):
    """In a process of its own, as a user has it."""
    done = subprocess.run([sys.executable, "-m", "bench", "run", *TINY, "detector=far_from_normal", f"out={tmp_path}"],
                          capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "far_from_normal" in done.stdout
    found = result(tmp_path, "far_from_normal")
    assert found.config["detector"] == {"_target_": "marl_backdoor_plugin.FarFromNormal"}
    assert found.rows[0].phases["whole"].auroc.value is not None


def test_what_is_installed_is_told(installed, capsys):
    assert main(["help", "detector"]) == 0
    assert "  far_from_normal       marl_backdoor_plugin.FarFromNormal, from the package marl-backdoor-plugin 1.2\n" \
        in capsys.readouterr().out
    assert "did you mean 'far_from_normal'?" in fails(capsys, "run", "detector=far_from_norml")
    assert fails(capsys, "check", "gone") == (
        "error: cannot make detector marl_backdoor_plugin.Gone (entry point 'gone' of marl-backdoor-plugin 1.2): "
        "No module named 'marl_backdoor_plugin.Gone'")
    assert "unexpected keyword argument 'n_trees'" in fails(capsys, "check", "far_from_normal", "detector.n_trees=3")


@pytest.mark.parametrize(("words", "name"), [
    (["far_from_normal"], "far_from_normal"), (["far_from_normal", "detector.spread=0.1"], "FarFromNormal"),
    (["marl_backdoor_plugin.FarFromNormal"], "FarFromNormal"),
    (["marl_backdoor_plugin.FarFromNormal", "detector.spread=0.1"], "FarFromNormal"),
    (["far_and_wide", "hydra.searchpath=[pkg://marl_backdoor_plugin]"], "far_and_wide"),
    (["far_and_wide", "--config-dir", str(PACKAGE / "src/marl_backdoor_plugin")], "far_and_wide")])
def test_check_by_every_way_in(installed, capsys, words, name):
    """A detector is called as the option that was chosen, and as its class if that was given other values."""
    assert main(["check", *words]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].strip() == name
    assert said.count("passed") == len(CHECKS)


def test_check_ends_with_what_is_wrong(installed, tmp_path, monkeypatch, capsys):
    (tmp_path / "off_by_one.py").write_text(
        "from marl_backdoor_plugin import FarFromNormal\n\n\nclass Late(FarFromNormal):\n"
        "    def score(self, episodes):\n        return super().score(episodes)[:, 1:]\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert fails(capsys, "check", "off_by_one.Late") == (
        f"error: Late fails 1 of {len(CHECKS)} checks: shape: expected real scores of shape (episode, step) or "
        "(episode, step, agent), score returned shape (8, 19, 3) for (8, 20) steps")


@pytest.mark.slow
def test_all_ways_measure_the_same(installed, tmp_path, capsys):
    by_class = ["detector._target_=marl_backdoor_plugin.FarFromNormal", "detector.spread=0.5"]
    by_file = ["--config-dir", str(PACKAGE / "src/marl_backdoor_plugin"), "detector=far_and_wide"]
    assert main(["run", *TINY, *by_class, f"out={tmp_path}/0"]) == 0
    assert main(["run", *TINY, *by_file, f"out={tmp_path}/1"]) == 0
    one, two = result(tmp_path / "0", "FarFromNormal"), result(tmp_path / "1", "far_and_wide")
    assert one.config["detector"] == {"_target_": "marl_backdoor_plugin.FarFromNormal", "spread": 0.5}
    assert one.config_hash == two.config_hash
    assert (one.detector, two.detector) == ("FarFromNormal", "far_and_wide")
    assert [row.phases for row in one.rows] == [row.phases for row in two.rows]
    import marl_backdoor_plugin

    mine = bench.evaluate(marl_backdoor_plugin.FarFromNormal(0.5), overrides=tuple(TINY), out=tmp_path / "2")
    assert mine.rows == one.rows
    said: list[str] = []
    folder = ("hydra.searchpath=[pkg://marl_backdoor_plugin]", "detector=far_and_wide")
    assert bench.evaluate(overrides=(*TINY, *by_class), out=tmp_path / "0", say=said.append) == one
    assert bench.evaluate(overrides=(*TINY, *folder), out=tmp_path / "1", say=said.append) == two
    assert [line.split()[0] for line in said] == ["read", "read"]


def test_a_sweeps_cells_know_the_folder(installed, tmp_path, monkeypatch, capsys):
    jobs = []
    monkeypatch.setattr("bench.harness.executors.local.Local.run",
                        lambda _, words, done: [jobs.extend(words), *(done(i, "not run") for i in range(len(words)))])
    folder = str(PACKAGE / "src/marl_backdoor_plugin")
    grid = "+sweep.grids=[{detector: [far_and_wide]}, {detector._target_: [marl_backdoor_plugin.FarFromNormal]}]"
    assert "2 of 2 cells failed; the first: not run" in fails(
        capsys, "sweep", "--config-dir", folder, *TINY, "+sweep.name=mine", grid, f"out={tmp_path}")
    assert jobs == [["run", "--config-dir", folder, *TINY, f"out='{tmp_path}'", f"detector{choice}"]
                    for choice in ("=far_and_wide", "._target_=marl_backdoor_plugin.FarFromNormal")]
    assert main([*jobs[0], "--cfg", "job", "--package", "detector"]) == 0
    assert "spread: 0.5" in capsys.readouterr().out


@pytest.mark.parametrize(("given", "told"), [
    (["detector._target_=a.B"], ["~detector", "+detector._target_=a.B"]),
    (["seed=1", "detector=bigram", "detector.k=3", "++detector._target_=a.B"],
     ["~detector", "+detector._target_=a.B", "seed=1", "++detector.k=3"]),
    (["detector=bigram", "detector._target_=detectors.NGram", "detector.n=3"],
     ["detector=bigram", "detector._target_=detectors.NGram", "detector.n=3"]),
    (["~detector", "+detector._target_=a.B"], ["~detector", "+detector._target_=a.B"]),
    (["detector._target_=a.B,c.D", "-m"], ["~detector", "+detector._target_=a.B,c.D", "-m"]),
    (["detector=isoforest,bigram", "detector.seed=1"], ["detector=isoforest,bigram", "detector.seed=1"])])
def test_words_that_name_a_class(given, told):
    assert plugins.overrides(given) == told


def test_names_are_not_taken_twice(monkeypatch):
    monkeypatch.setattr(plugins, "_points", lambda kind: [EntryPoint("bigram", "a:B", kind)])
    with pytest.raises(BenchError, match="an unknown package offers a detector 'bigram', which is the name of one of "
                                         "this benchmark; rename its entry point or uninstall it"):
        plugins.offered("detector")
    twice = [EntryPoint("mine", value, "marl_backdoor_bench.detectors") for value in ("a:B", "c:D")]
    monkeypatch.setattr(plugins, "_points", lambda kind: twice)
    with pytest.raises(BenchError, match="offers a detector 'mine', which is the name of one of an unknown package"):
        plugins.offered("detector")
    monkeypatch.setattr(plugins, "_points", lambda kind: [EntryPoint("rnn_q", "a:B", kind)])
    with pytest.raises(BenchError, match="offers an architecture 'rnn_q', which is the name of one of this benchmark"):
        require_known(SimpleNamespace(architecture="rnn_q"), ())


@pytest.mark.parametrize("kind", ["detector", "env", "attack"])
def test_a_later_contract_is_refused_by_name(tmp_path, monkeypatch, capsys, kind):
    (tmp_path / "later.py").write_text("class Later:\n    contract = 3\n")
    (tmp_path / kind).mkdir()
    (tmp_path / kind / "later.yaml").write_text("_target_: later.Later\n")
    monkeypatch.syspath_prepend(tmp_path)
    said = fails(capsys, "run", f"{kind}=later", "isolation=none", "--config-dir", str(tmp_path), f"out={tmp_path}")
    assert "later.Later.contract is 3; this release keeps the contracts of plug-ins 1 to 2: install a later one" in said


def test_a_folder_that_is_not_there(capsys):
    assert "path=/nowhere is not available" in fails(capsys, "check", "mine", "hydra.searchpath=[file:///nowhere]")
    assert fails(capsys, "check", "mine", "--config-dir", "/nowhere") == (
        "error: Additional config directory '/nowhere' not found")


@pytest.mark.slow
def test_an_environment_from_outside(installed, tmp_path, capsys):
    """It is checked, trained in, and watched by detectors that were not written for it; nothing of ours knows it."""
    assert main(["check", "environment", "env=meeting", "env.size=9"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].strip() == "meeting/9"
    assert said.count("passed") == len(ENVIRONMENT_CHECKS)
    words = ["env=meeting", "budget=smoke", "attack=rewarded", "attack.victim=1",
             "attack.trigger.psi='distance[0] < 1'", "attack.trigger.zeta=[east,east]", "attack.trigger.seen_from=0",
             f"out={tmp_path}"]
    assert main(["run", *words, "detector=trigram_conditional"]) == 0
    found = result(tmp_path, "trigram_conditional")
    assert (found.env, found.env_version) == ("meeting/7", "1")
    assert found.rows[0].phases["whole"].auroc.value is not None
    assert "unknown size '8'; allowed: 7, 9" in fails(capsys, "run", *words, "env.size=8")
    named, teams = "plugin=[marl-backdoor-plugin]", tmp_path / "teams"
    table = [f"leaderboard={tmp_path}/leaderboard.csv", f"out={tmp_path}"]
    row = read_leaderboard(tmp_path / "leaderboard.csv").iloc[0]
    assert "env 'meeting'" in fails(capsys, "reproduce", row["row_id"], *table)
    assert main(["reproduce", row["row_id"], *table, named]) == 0
    assert "is not shipped" in fails(capsys, "submit", str(next(tmp_path.glob("runs/*[0-9a-f].json"))), *table,
                                     named)
    for command in (["models", f"holdout={teams}", "budget.fit_battles=4", "only=[clean,trojdrl_two]"],
                    ["verify", f"team={next(teams.glob('*.json')).with_suffix('')}", "budget=smoke"]):
        assert fails(capsys, *command, f"out={tmp_path}").endswith(
            "the environment 'meeting' is of marl-backdoor-plugin 1.2; a file may name it only if you say that you "
            "trust it, plugin=[marl_backdoor_plugin]")
        assert main([*command, named, f"out={tmp_path}"]) == 0
    assert fails(capsys, "run", "env=meeting", "attack=scripted", "attack.victim=1", f"out={tmp_path}") == (
        "error: this attack needs the health of every body, and meeting/7 tells nothing of the kind")


def test_a_repair_from_outside(installed, tmp_path, capsys):
    """By its name, by its class and from a folder it is the same, and its table is there already."""
    (tmp_path / "repair").mkdir()
    (tmp_path / "repair/mine.yaml").write_text("_target_: marl_backdoor_plugin.defences.Damped\nshare: 0.3\n")
    for i, words in enumerate((["damped", "repair.share=0.3"], ["mine", "--config-dir", str(tmp_path)],
                               ["marl_backdoor_plugin.defences.Damped", "repair.share=0.3"])):
        assert main(["repair", *words, *TINY, f"out={tmp_path}"]) == 0
        said = capsys.readouterr()
        assert ("read from" in said.err) == (i > 0)
        assert "repaired" in said.out
    assert len(list(tmp_path.glob("repairs/*-scripted-*-damped-*.csv"))) == 1
    assert "got an unexpected keyword argument 'much'" in fails(capsys, "repair", "damped", "repair.much=1", *TINY)


def test_a_view_from_outside(installed, capsys):
    assert main(["check", "isoforest", "view=headcount"]) == 0
    assert "failed" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_model_detector_from_outside(installed, tmp_path, capsys):
    words = ["models", "model_detector=loud", "only=[clean,trojdrl_two]", "disguise=null", "budget.fit_battles=8",
             f"out={tmp_path}"]
    assert main(words) == 0
    assert "Loud: is the team backdoored?" in capsys.readouterr().out
    assert "unexpected keyword argument 'much'" in fails(capsys, *words, "model_detector.much=1")


@pytest.mark.parametrize("words", [["repair", "repair=damped"], ["response", "response=stay"],
                                   ["repair", "repair=prune"], ["response", "response=halt"]])
def test_a_defence_is_checked(installed, capsys, words):
    assert main(["check", *words, "env.map=3m"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].strip() == words[1].partition("=")[2]
    assert "failed" not in said
    assert fails(capsys, "check", words[0]) == f"error: no {words[0]} is configured; give {words[0]}=NAME"


@pytest.mark.slow
def test_a_response_from_outside(installed, tmp_path, capsys):
    words = [*TINY, "budget.calibration_battles=20", "detector=consensus_distance", f"out={tmp_path}"]
    assert main(["run", *words, "response=stay", "response.battles=6"]) == 0
    assert "response to alarms: stay, 6 battles each" in capsys.readouterr().out
    found = result(tmp_path, "consensus_distance")
    assert found.config["response"] == {"_target_": "marl_backdoor_plugin.defences.Stay", "battles": 6}
    assert found.response.alarms_triggered.value > 0.5
    assert set(read_leaderboard(tmp_path / "leaderboard.csv")["response"]) == {"stay"}
    (file,) = tmp_path.glob("runs/*[0-9a-f].json")
    assert main(["report", str(file)]) == 0, "it is told what nobody else can measure"
    by_class = ["~response", "+response._target_=marl_backdoor_plugin.defences.Stay", "+response.battles=6"]
    assert main(["run", *words, *by_class]) == 0
    assert "read from" in capsys.readouterr().err
    assert fails(capsys, "run", *words, "response=stay", "response.battles=0") == (
        "error: battles of response=stay is 0; allowed: whole numbers from 1")
    assert fails(capsys, "run", *words, "~response", "+response._target_=marl_backdoor_plugin.FarFromNormal") == (
        "error: marl_backdoor_plugin.FarFromNormal (entry point 'far_from_normal' of marl-backdoor-plugin 1.2) is no "
        "response: it has not all that bench.contracts.Responder has")


CHAIN = ["env=meeting", "algo=climbing", "algo.steps=2_000", "attack=lure", "control=null", "budget=smoke"]


@pytest.mark.slow
def test_an_algorithm_and_an_attack_from_outside(installed, tmp_path, capsys):
    """Trained, attacked, watched and checked in an environment from outside as well; nothing of ours knows them."""
    words = [*CHAIN, "detector=trigram_conditional", f"out={tmp_path}"]
    for verb in ("train", "inject", "run"):
        assert main([verb, *words]) == 0
    said = capsys.readouterr()
    assert "lure on climbing, meeting/7 (1), seed 0" in said.out
    assert said.err.count("no checkpoint matches") == 2, "each team is made once"
    found = result(tmp_path, "trigram_conditional")
    assert (found.algo, found.attack, found.trigger_kind) == ("climbing", "lure", "behaviour")
    assert (found.agents_poisoned, found.poison_rate) == (1, 0.5)
    assert found.config["attack"] == {"_target_": "marl_backdoor_plugin.lure.Lure"}
    assert {"algo": "climbing", "attack": "lure", "status": "ok"}.items() <= dict(
        read_leaderboard(tmp_path / "leaderboard.csv").iloc[0]).items()
    other = [*words, "attack.agent=1"]
    assert main(["inject", *other]) == 0
    assert len(list(tmp_path.glob("teams/climbing-meeting-7-s0-lure-*.json"))) == 2, "another attack is another team"
    assert main(["run", *words]) == 0
    assert "read from" in capsys.readouterr().err
    for kind, checks in (("attack", ATTACK_CHECKS), ("algorithm", ALGORITHM_CHECKS)):
        assert main(["check", kind, *CHAIN]) == 0
        assert capsys.readouterr().out.count("passed") == len(checks)
    assert main(["stealth", *CHAIN, f"out={tmp_path}"]) == 0, "told by moves and places, for there is nothing else"
    (row,) = read_stealth(tmp_path / "leaderboard.csv").to_dict("records")
    assert (row["attack"], row["env"], row["victims"], row["battles"]) == ("lure", "meeting/7", "0", 40)
    assert 0 <= row["distinguishability"] <= 1
    assert fails(capsys, "inject", *words, "attack=one4all", "attack.victim=1") == (
        "error: learning=imitated does not know how a climbing team (linear) learns; "
        "allowed: vdn, qmix, mappo, ippo, coma")
    assert "unexpected keyword argument 'victim'" in fails(capsys, "run", *words, "attack.victim=1")
    assert "unexpected keyword argument 'disguise'" in fails(capsys, "run", *words, "attack.disguise=permuted")
    assert "agent is 2; meeting/7 has agents 0 to 1" in fails(capsys, "check", "attack", *CHAIN, "attack.agent=2")


def test_a_file_chooses_no_code(installed, tmp_path, capsys):
    """The class of a team comes from the user's words: from the algorithm that they name, or from plugin=."""
    assert main(["train", *CHAIN, f"out={tmp_path}"]) == 0
    (file,) = tmp_path.glob("teams/*.json")
    forget()
    refused = ("'linear' of marl-backdoor-plugin 1.2, whose code is run for a file only if you say that you trust it: "
               "plugin=[marl_backdoor_plugin]")
    assert refused in fails(capsys, "verify", f"team={file}")
    assert refused in fails(capsys, "models", f"holdout={file.parent}")
    assert "marl_backdoor_plugin" not in sys.modules
    assert main(["verify", f"team={file.with_suffix('')}", "plugin=marl-backdoor-plugin", "budget=smoke"]) == 0
    forget()
    team, _ = load_team(file, {"marl_backdoor_plugin"})
    assert type(team).__name__ == "LinearTeam"


def test_a_team_of_another_algorithms_name_chooses_no_code(installed, tmp_path, capsys):
    """Whoever has put it among the user's own teams."""
    assert main(["train", *CHAIN, f"out={tmp_path}"]) == 0
    assert main(["train", "env=meeting", "budget=smoke", f"out={tmp_path}"]) == 0
    (theirs,), (ours,) = (list(tmp_path.glob(f"teams/{algo}-*.json")) for algo in ("climbing", "vdn"))
    for one, other in ((theirs, ours), (theirs.with_suffix(".safetensors"), ours.with_suffix(".safetensors"))):
        other.write_bytes(one.read_bytes())
    assert "whose code is run for a file only if" in fails(
        capsys, "train", "env=meeting", "budget=smoke", f"out={tmp_path}")


@pytest.mark.parametrize(("victims", "expected"), [((1,), 1), ((0, 1), [0, 1])])
def test_the_control_is_of_the_attacks_agents(victims, expected):
    """Of those that an attack names itself where its configuration does not."""
    with initialize_config_module("bench.conf", version_base="1.3"):
        cfg = compose("config", ["~attack.victim"])
        assert control_of(cfg, SimpleNamespace(victims=victims)).victim == expected
        assert cfg.control.victim is None
        cfg = compose("config")
        assert control_of(cfg, SimpleNamespace(victims=victims)) == cfg.control
        assert cfg.control.victim == cfg.attack.victim


def test_a_control_from_outside_has_its_own_parameters_alone(installed):
    plugins.register()
    with initialize_config_module("bench.conf", version_base="1.3"):
        cfg = compose("config", ["attack=lure", "attack@control=lure"])
        assert control_of(cfg, SimpleNamespace(victims=(0,))) == {"_target_": "marl_backdoor_plugin.lure.Lure"}
