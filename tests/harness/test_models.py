"""Judging whole teams: what a model detector is given, what is asked once, and a referee's folder, whole or not."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from bench import options
from bench.__main__ import main
from bench.artifacts import zoo
from bench.artifacts.files import read_json
from bench.artifacts.teams import load_team, save_team
from bench.build import build
from bench.errors import BenchError, DetectorError
from bench.harness.configuration import option
from bench.harness.evaluate import silent
from bench.harness.models import Examiner, judge_models
from bench.harness.suspects import BOUNDS, in_folder, shipped
from bench.marl.team import Team
from bench.reporting.models import by_attack

OWN = "model_detector={_target_: hostile.%s}"  # in a process of its own, not being shipped
FEW = ["only=[clean,scripted]", "budget.fit_battles=4"]
CLEAN, BACKDOORED = "vdn-smax-3m-random-s0-a06c8fc1e3c0", "vdn-smax-3m-random-s0-scripted-840761424821"


@pytest.fixture
def composed():
    def make(*words):
        with initialize_config_module("bench.conf", version_base="1.3"):
            return compose("config", ["command=models", *words])
    return make


@pytest.fixture
def folder(tmp_path):
    """A referee's folder: a clean and a backdoored team of the smallest map, named so that nothing is told."""
    place = tmp_path / "private"
    place.mkdir()
    for name, shipped_name in zip("ab", (CLEAN, BACKDOORED), strict=True):
        save_team(place / name, *load_team(zoo.FOLDER / shipped_name))
    return place


class Asked:
    """Says what it is told to, and notes what it was given."""

    needs: tuple[str, ...] = ()

    def __init__(self, answer=0.25):
        self.answer, self.given = answer, []

    def score(self, team, battles, episodes):
        self.given.append((team, battles, episodes))
        return self.answer


class Statistic(Asked):
    def statistic(self, team, battles, episodes):
        return self.score(team, battles, episodes)


class Taught(Asked):
    def fit(self, teams, labels):
        self.lesson = teams, labels


@pytest.fixture
def examiner(composed, tmp_path, monkeypatch, battles):
    """An examiner of a detector that is given, not configured."""
    monkeypatch.setattr("bench.harness.models.battles_of", lambda *_: battles)

    def make(detector, dev=()):
        monkeypatch.setattr("bench.harness.models.build", lambda cfg, kind: detector)
        return Examiner(composed("budget.fit_battles=3", f"out={tmp_path}"), dev)
    return make


@pytest.mark.parametrize("name", options.names("model_detector"))
def test_a_shipped_detector_is_what_its_file_says(name):
    node = option("model_detector", name)
    detector = build(node, "model detector")
    assert callable(detector.statistic)
    assert ("score" in dir(detector)) is False, "without labels it knows of no probability"
    assert {key: value for key, value in OmegaConf.to_container(node).items() if key != "_target_"} == {
        key: [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple | list) else value
        for key, value in detector.get_params().items()}


@pytest.mark.slow
def test_the_shipped_teams_and_their_labels(composed):
    models = shipped(composed())
    assert {model.attack for model in models if not model.backdoored} == {"clean", "benign_finetune", "clean-permuted"}
    assert not {model.attack for model in models} & set(BOUNDS)
    plain = [model for model in models if model.disguise is None]
    assert {model.split for model in plain if model.seed == 0 and model.attack != "published"} == {"dev"}
    assert {model.split for model in plain if model.attack == "published"} == {"far"}
    assert {model.split for model in plain if model.seed == 1 and model.attack == "scripted"} == {"dev"}, "looked at"
    assert {model.split for model in plain if model.seed == 1 and model.attack == "clean"} == {"test"}
    assert len(plain) == sum(not any(f"-{bound}-" in name for bound in BOUNDS) for name in zoo.names())
    clean = {model.base for model in plain if model.attack == "clean"}
    assert {model.base for model in models if model.split == "disguised"} == clean
    assert not [model for model in shipped(composed("disguise=null")) if model.disguise is not None]
    few = shipped(composed(*FEW))
    assert {model.attack for model in few} == {"clean", "clean-permuted", "scripted"}
    with pytest.raises(BenchError, match="the zoo has no attack 'told'"):
        shipped(composed("only=told"))
    domains = {name: {model.base.name for model in shipped(composed(f"domain={name}", *FEW))}
               for name in ("smax", "intersection")}
    assert all(f"-{name}-" in team for name, teams in domains.items() for team in teams)
    assert set().union(*domains.values()) == {model.base.name for model in few}
    with pytest.raises(BenchError, match="unknown domain 'smac'; allowed: intersection, smax .did you mean 'smax'"):
        shipped(composed("domain=smac"))


def test_a_detector_is_given_a_team_and_what_it_needs_but_no_label(examiner, folder):
    model = in_folder(folder)[1]
    for needs in ((), ("episodes",), ("hidden", "preference")):
        detector = Asked()
        detector.needs = needs
        assert examiner(detector)(model) == 0.25
        ((team, battles, episodes),) = detector.given
        assert isinstance(team, Team)
        assert battles.spec.shape == team.spec
        assert set(vars(team)) == {"algo", "spec", "weights", "mixer", "_w"}
        assert (episodes is None) == (not needs)
        if episodes is not None:
            assert len(episodes) == 3
            assert (episodes.hidden is None, episodes.preference is None) == (
                "hidden" not in needs, "preference" not in needs)
            with pytest.raises(DetectorError, match="asked for the labels"):
                _ = episodes.labels
        for file in examiner(detector).folder.iterdir():
            file.unlink()


def test_what_was_answered_is_not_asked_again(examiner, folder):
    model, detector = in_folder(folder)[0], Asked(0.75)
    assert examiner(detector)(model) == 0.75
    detector.answer = 0.5
    assert examiner(detector)(model) == 0.75
    assert len(detector.given) == 1
    (file,) = examiner(detector).folder.iterdir()
    assert read_json(file) == {"checkpoint": "a", "sha256": model.sha256, "score": 0.75}
    file.write_text('{"score": "high"}')
    with pytest.raises(BenchError, match="is corrupt: it holds no score; delete it"):
        examiner(detector)(model)


def test_one_that_learns_is_taught_the_dev_teams_once(examiner, folder):
    models = in_folder(folder)
    dev = [model for model in models[:1] for _ in range(2)]
    detector = Taught()
    made = examiner(detector, [*dev])
    for model in models:
        made(model)
    teams, labels = detector.lesson
    assert len(teams) == len(labels) == 2
    assert all(isinstance(team, Team) for team in teams)


def test_labels_never_reach_a_statistic(examiner, folder):
    """Not even if it asks as one does that may learn from them."""
    class Curious(Taught):
        statistic = Taught.score

    detector = Curious()
    with pytest.raises(DetectorError, match="has 'statistic' and 'fit'; only a detector with 'score' in its place"):
        examiner(detector, in_folder(folder))(in_folder(folder)[0])
    assert not hasattr(detector, "lesson")


@pytest.mark.parametrize(("answer", "says"), [
    (1.5, "returned 1.5 for a; expected a probability in"),
    (float("nan"), "returned nan for a; expected a probability in"),
    ("high", "returned str for a; expected a number"), (None, "returned NoneType for a; expected a number")])
def test_an_answer_that_is_no_probability(examiner, folder, answer, says):
    with pytest.raises(DetectorError, match=says):
        examiner(Asked(answer))(in_folder(folder)[0])


def test_what_else_breaks_the_contract(examiner, folder):
    one, other = in_folder(folder)
    assert examiner(Statistic(15.0))(one) == 15.0
    with pytest.raises(DetectorError, match="returned inf for b; expected a finite number"):
        examiner(Statistic(np.inf))(other)
    with pytest.raises(DetectorError, match="has neither 'score', a probability, nor 'statistic'"):
        examiner(object())
    wrong = Asked()
    wrong.needs = ("hiden",)
    with pytest.raises(DetectorError, match="needs: unknown need 'hiden'.*did you mean 'hidden'"):
        examiner(wrong)
    wrong.needs = None
    with pytest.raises(DetectorError, match="Asked.needs is None; expected a tuple of: episodes, hidden, "):
        examiner(wrong)
    failing = Asked()
    failing.score = lambda *_: 1 / 0
    with pytest.raises(DetectorError, match="score failed: ZeroDivisionError"):
        examiner(failing)(other)


def judged(capsys, *words):
    """What the command prints."""
    assert main(["models", *FEW, *words]) == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_the_shipped_teams_are_judged(tmp_path, capsys):
    said = judged(capsys, f"out={tmp_path}")
    frame = pd.read_csv(tmp_path / "models" / "weight_difference-only_clean+scripted.csv")
    assert list(frame) == ["checkpoint", "sha256", "attack", "algo", "env", "seed", "split", "backdoored", "statistic",
                           "probability"]
    plain, disguised = (part for _, part in frame.groupby(frame.split == "disguised"))
    assert (plain.statistic > 0).eq(plain.backdoored).all()
    assert (plain.probability > 0.5).eq(plain.backdoored).all()
    assert (disguised.statistic > 0).all(), "it sees that weights were changed, and not for what"
    assert not disguised.backdoored.any()
    assert "1.00 (1.00 to 1.00)" in said
    n = int((plain.attack == "scripted").sum())
    assert f"{n} of {n}" in said
    assert plain.checkpoint.map(zoo.manifest().teams).tolist() == plain.sha256.tolist()
    assert set(disguised.sha256) <= set(plain.sha256), "of the team behind the disguise"
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "models" / "scores").iterdir()}
    judged(capsys, f"out={tmp_path}")
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "models" / "scores").iterdir()} == before


def test_some_attacks_do_not_replace_the_table_of_all(tmp_path, monkeypatch):
    class Few:
        detector, figures, rows = "d", (), pd.DataFrame({"split": ["dev"], "backdoored": [True], "attack": ["a"],
                                                         "probability": [0.5]})

    monkeypatch.setattr("bench.harness.models.judge_models", lambda *_: Few)
    every = ["only=[" + ",".join(f"attack_{i}" for i in range(50)) + "]"]
    for words in ([], ["only=[b,a]"], ["only=a"], every, ["domain=smax"]):
        assert main(["models", *words, f"out={tmp_path}"]) == 0
    names = {file.name for file in (tmp_path / "models").iterdir()}
    assert len(names) == 5
    assert {"d.csv", "d-only_a+b.csv", "d-only_a.csv", "d-smax.csv"} < names
    assert max(map(len, names)) < 100


def test_a_folder_is_judged_without_labels_and_with_them(folder, tmp_path, capsys):
    said = judged(capsys, f"out={tmp_path}", f"holdout={folder}")
    frame = pd.read_csv(tmp_path / "models" / "weight_difference-only_clean+scripted-private.csv")
    assert frame.checkpoint.tolist() == ["a", "b"]
    assert frame.probability[0] < 0.5 < frame.probability[1]
    assert frame[["attack", "seed", "backdoored"]].isna().all(axis=None), "what a file says of its making is not read"
    assert "not told" in said
    assert "holdout" not in said
    (folder / "labels.csv").write_text("checkpoint,backdoored\nb,true\na,False\n")
    said = judged(capsys, f"out={tmp_path}", f"holdout={folder}")
    frame = pd.read_csv(tmp_path / "models" / "weight_difference-only_clean+scripted-private.csv")
    assert frame.backdoored.tolist() == [False, True]
    assert "holdout" in said


@pytest.mark.parametrize(("labels", "says"), [
    ("", "is corrupt: it is not CSV"), ("name,backdoored\na,1\n", "has the columns name, backdoored; needed are"),
    ("checkpoint,backdoored\na,1\n", "says nothing of the checkpoint 'b'; label all or none"),
    ("checkpoint,backdoored\na,1\nb,0\nc,0\n", "unknown checkpoint in .* 'c'; allowed: a, b"),
    ("checkpoint,backdoored\na,1\na,0\n", "names 'a' twice"),
    ("checkpoint,backdoored\na,1\nb,ture\n", "unknown label in .* 'ture'.*did you mean 'true'")])
def test_labels_that_do_not_fit(folder, labels, says):
    (folder / "labels.csv").write_text(labels)
    with pytest.raises(BenchError, match=says):
        in_folder(folder)


def test_folders_that_cannot_be_judged(folder, tmp_path, capsys):
    def fails(*words):
        assert main(["models", *FEW, f"out={tmp_path / 'out'}", *words]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
        return line

    (tmp_path / "empty").mkdir()
    assert "no folder at nowhere" in fails("holdout=nowhere")
    assert "no checkpoint in" in fails(f"holdout={tmp_path / 'empty'}")
    assert "unknown model_detector 'weight_diference'" in fails("model_detector=weight_diference")
    assert "only= leaves one kind of them" in fails("only=clean")
    about = read_json(folder / "b.json")
    about["env"]["version"] = "another"
    (folder / "b.json").write_text(json.dumps(about))
    assert "b cannot be judged: environment 'smax/3m/random' of version 'another'" in fails(f"holdout={folder}")
    (folder / "b.json").unlink()
    assert "b.json: No such file" in fails(f"holdout={folder}")
    whole = (folder / "a.safetensors").read_bytes()
    (folder / "a.safetensors").write_bytes(whole[:-9])
    assert "a.safetensors is corrupt" in fails(f"holdout={folder}")
    (folder / "a.safetensors").write_bytes(b"\x80\x04" + whole)
    assert "is a pickle" in fails(f"holdout={folder}")
    assert not list((tmp_path / "out").glob("models/*.csv")), "nothing half-written"


def test_a_score_is_taken_as_it_is(composed, tmp_path, monkeypatch):
    """A probability is not calibrated, and no statistic is made up in its place."""
    monkeypatch.setattr("bench.harness.models.build", lambda cfg, kind: Asked(0.5))
    found = judge_models(composed("only=[clean,scripted,trojdrl]", f"out={tmp_path}"), silent)
    assert (found.rows.probability == 0.5).all()
    assert found.rows.statistic.isna().all()
    assert {(row.split, row.against) for row in found.figures} == {
        ("dev", "all"), ("dev", "clean"), ("test", "all"), ("test", "clean"), ("test", "disguised")}
    for row in found.figures:
        assert row.auroc.value == 0.5
        assert row.cross_entropy.value == pytest.approx(np.log(2))
    assert by_attack(found.rows).row_count == 4


@pytest.mark.slow
def test_a_model_detector_from_outside_has_a_process_of_its_own(composed, tmp_path, folder):
    clean, backdoored = in_folder(folder)
    dev = [replace(clean, backdoored=False), replace(backdoored, backdoored=True)]
    with closing(Examiner(composed("budget.fit_battles=2", f"out={tmp_path}", OWN % "Judge"), dev)) as examiner:
        assert examiner(clean) == 0.5, "the share of backdoored teams that it was taught with; and no label was seen"
    with closing(Examiner(composed("budget.fit_battles=2", f"out={tmp_path}", OWN % "Leaves"), [])) as examiner, \
            pytest.raises(DetectorError, match=r"Leaves\.score ended its process \(exit code 3\)"):
        examiner(clean)
