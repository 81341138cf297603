"""Episodes as files: they come back as they were, tell no label, and are refused when they are not whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import yaml

import bench
from bench.__main__ import main
from bench.artifacts.episodes import FORMATS, write_record
from bench.artifacts.files import sha256
from bench.build import build
from bench.conformance.episodes import clean
from bench.contracts import Labels
from bench.errors import BenchError, DetectorError
from bench.harness.export import shuffled
from bench.harness.teams import Checkpoint
from bench.marl.play import play
from bench.protocol.seeds import PUBLIC

# The shipped team of the smallest map, in a few battles.
TINY = ["attack=scripted", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000", "budget.fit_battles=4",
        "budget.calibration_battles=6", "budget.test_battles=10"]


def same(one, other) -> bool:
    """Whether two records hold the same arrays of the same types."""
    pairs = [(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
             if f.name not in ("hidden_labels", "spec", "extras")]
    if getattr(one, "spec", None) != getattr(other, "spec", None):
        return False
    return all(a is b is None or (np.array_equal(a, b) and a.dtype == b.dtype) for a, b in pairs)


@pytest.fixture
def episodes():
    some = clean([5, 9, 3, 7], seed=0)
    rng = np.random.default_rng(0)
    shape = some.mask.shape
    return replace(some, hidden_labels=Labels(
        np.arange(4), rng.random(4) < 0.5, np.array([True, False, True, False]), rng.random(shape) < 0.3,
        np.array([2, -1, 1, -1]), edited=rng.random((*shape, 3)) < 0.5))


@pytest.fixture(params=FORMATS)
def written(request, episodes, tmp_path):
    write_record(tmp_path / f"x.{request.param}", episodes)
    write_record(tmp_path / f"x-labels.{request.param}", episodes.labels)
    return tmp_path / f"x.{request.param}"


def test_episodes_come_back_as_they_were(written, episodes):
    back = bench.load_episodes(written)
    assert same(back, episodes)
    with pytest.raises(DetectorError, match="asked for the labels"):
        _ = back.labels
    back = bench.load_episodes(str(written), labels=written.with_stem("x-labels"))
    assert same(back, episodes)
    assert same(back.labels, episodes.labels)


def test_other_tools_read_parquet(episodes, tmp_path):
    write_record(tmp_path / "x.parquet", episodes)
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert len(frame) == episodes.length.sum()
    third = frame[(frame.episode == 1) & (frame.step == 2)].iloc[0]
    assert np.array_equal(third.observation, episodes.observation[1, 2].ravel().astype(np.float32))
    assert third.reward == episodes.reward[1, 2]


def test_files_that_are_not_whole(written, episodes):
    whole = written.read_bytes()
    written.write_bytes(whole[:-100])
    with pytest.raises(BenchError, match=rf"{written.name} is corrupt"):
        bench.load_episodes(written)
    middle = len(whole) // 2
    written.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64:])
    with pytest.raises(BenchError, match=rf"{written.name} is corrupt"):
        bench.load_episodes(written)
    written.write_bytes(whole)
    with pytest.raises(BenchError, match=r"x-labels\.\w+ is no record of episodes: the column 'observation' is miss"):
        bench.load_episodes(written.with_stem("x-labels"))
    short = replace(episodes.labels, trigger=episodes.labels.trigger[:, :4], edited=None)
    write_record(written.with_stem("short"), short)
    with pytest.raises(BenchError, match=r"short\.\w+ has labels of \(4, 4\) \(episode, step\); .* has \(4, 9\)"):
        bench.load_episodes(written, labels=written.with_stem("short"))
    manifest = written.with_name("manifest.json")
    manifest.write_text(json.dumps({"files": {written.name: sha256(b"another")}}))
    with pytest.raises(BenchError, match=rf"{written.name} is corrupt: its sha256 is \w+..., the manifest says"):
        bench.load_episodes(written)
    with pytest.raises(BenchError, match=r"x-labels\.\w+ is not in .*manifest.json"):
        bench.load_episodes(written.with_stem("x-labels"))


def test_what_are_no_episodes(episodes, tmp_path):
    with pytest.raises(BenchError, match="cannot read .*none.npz: No such file"):
        bench.load_episodes(tmp_path / "none.npz")
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(BenchError, match=r"unknown format of .*x\.pkl 'pkl'; allowed: npz, parquet"):
        bench.load_episodes(tmp_path / "x.pkl")
    np.savez(tmp_path / "x.npz", observation=np.array([{}], dtype=object))
    with pytest.raises(BenchError, match=r"x\.npz is corrupt: it holds something else than plain arrays of numbers"):
        bench.load_episodes(tmp_path / "x.npz")
    columns = {f.name: getattr(episodes, f.name) for f in fields(episodes)[:6]}
    np.savez(tmp_path / "x.npz", **columns, won=np.zeros(4))
    with pytest.raises(BenchError, match=r"x\.npz is no record of episodes: it has a column 'won'"):
        bench.load_episodes(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", **columns | {"reward": np.zeros((4, 5))})
    with pytest.raises(BenchError, match=r"x\.npz is corrupt: the column 'reward' has shape \(4, 5\), 'mask' \(4, 9\)"):
        bench.load_episodes(tmp_path / "x.npz")


def test_parquet_is_an_extra(episodes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BenchError, match=r"needs pyarrow: pip install 'marl-backdoor-bench\[parquet\]'"):
        write_record(tmp_path / "x.parquet", episodes)
    assert not list(tmp_path.iterdir())


def test_shuffling_keeps_battles_whole(make_episodes):
    one, other = make_episodes([4, 6, 5], seed=1), make_episodes([9, 3], seed=2, completion=[2, 1])
    both = shuffled(one, other, seed=0)
    assert both.mask.shape == (5, 9), "all padded to the longest"
    assert both.labels.trigger.shape == (5, 9)
    for episodes in (one, other):
        for i in range(len(episodes)):
            (j,) = np.nonzero((both.observation[:, 0] == episodes.observation[i, 0]).all((1, 2)))[0]
            assert both.length[j] == episodes.length[i]
            assert both.labels.completion[j] == episodes.labels.completion[i]
            assert np.array_equal(both.action[j, : episodes.length[i]], episodes.action[i, : episodes.length[i]])
    many = shuffled(make_episodes([3] * 50), make_episodes([3] * 50, completion=[1] * 50), seed=0)
    assert 0 < np.sum(many.labels.completion[:50] == 1) < 50


@pytest.fixture
def compiled(battles, monkeypatch):
    """Exports play in battles that are compiled already."""
    monkeypatch.setattr("bench.harness.export.build",
                        lambda cfg, kind: battles if kind == "environment" else build(cfg, kind))


def test_an_export_is_the_protocols_battles(tmp_path, battles, compiled, capsys):
    assert main(["export", *TINY, f"out={tmp_path}", "labels=true"]) == 0
    (folder,) = (path for path in (tmp_path / "export").iterdir() if path.is_dir())
    assert str(folder) in capsys.readouterr().out
    test = bench.load_episodes(folder / "test.npz", labels=folder / "test-labels.npz")
    assert test.labels.poisoned.sum() == 10
    about = json.loads((folder / "manifest.json").read_text())
    from bench.artifacts import zoo
    from bench.artifacts.teams import load_team

    team, found = load_team(zoo.FOLDER / about["checkpoint"])
    assert about["checkpoint_sha256"] == found["sha256"]
    again = play(battles, team, 10, PUBLIC["normal"])
    back = test[~test.labels.poisoned]
    back = back[np.argsort(back.labels.battle)]
    steps = again.mask.shape[1]
    assert np.array_equal(back.observation[:, :steps], again.observation)
    assert np.array_equal(back.action[:, :steps], again.action)
    assert not back.mask[:, steps:].any()
    card = (folder / "README.md").read_text()
    shape = " x ".join(map(str, test.observation.shape))
    for words in (shape, found["sha256"], f"normal {PUBLIC['normal']}", 'labels="test-labels.npz"', "`completion`"):
        assert words in card

    assert main(["export", *TINY, f"out={tmp_path}", "format=parquet"]) == 0
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md", "calibration-environment.json", "calibration.parquet", "croissant.json", "fit-environment.json",
        "fit.parquet", "manifest.json", "test-environment.json", "test.parquet"], "replaced as a whole"
    assert test.spec == battles.spec
    assert same(bench.load_episodes(folder / "test.parquet"), test)
    assert len(bench.load_episodes(folder / "fit.parquet")) == 4
    assert "completion" not in (folder / "README.md").read_text()
    assert not list((tmp_path / "export").glob(".*")), "nothing half-written"
    assert_described(folder, test)


def assert_described(folder, test):
    """croissant.json names every file by its hash and every column of the rows, and is valid where that can be asked;
    the card's head is what the Hugging Face Hub reads."""
    found = json.loads((folder / "croissant.json").read_text())
    files = {file["contentUrl"]: file["sha256"] for file in found["distribution"]}
    assert files == {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()
                     if file.name not in ("croissant.json", "manifest.json")}
    (records,) = (part for part in found["recordSet"] if part["name"] == "test-steps")
    rows = pd.read_parquet(folder / "test.parquet")
    assert {field["source"]["extract"]["column"] for field in records["field"]} == set(rows)
    assert {field["name"] for field in records["field"] if field.get("repeated")} == {
        "observation", "available", "action", "alive"}
    assert "completion" not in json.dumps(found), "no label"
    head = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    assert head["configs"][0]["data_files"] == [{"split": name, "path": f"{name}.parquet"}
                                                for name in ("fit", "calibration", "test")]
    with contextlib.suppress(ImportError):
        import mlcroissant

        records = mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).records("test-steps")
        assert sum(1 for _ in records) == test.length.sum()


@pytest.mark.parametrize("ending", FORMATS)
def test_hidden_states_and_q_values_on_request(ending, tmp_path, battles, team, compiled, monkeypatch):
    monkeypatch.setattr("bench.harness.export.backdoored_team",
                        lambda *_: Checkpoint("none", team, {"sha256": "0" * 64}))
    words = ["export", *TINY, f"out={tmp_path}", f"format={ending}"]
    assert main([*words, "record=[hidden,preference]", "labels=true"]) == 0
    (folder,) = (path for path in (tmp_path / "export").iterdir() if path.is_dir())
    back = bench.load_episodes(folder / f"test.{ending}", labels=folder / f"test-labels.{ending}")
    back = back[~back.labels.poisoned]
    back = back[np.argsort(back.labels.battle)]
    again = play(battles, team, 10, PUBLIC["normal"], record=("hidden", "preference"))
    for name in ("hidden", "preference"):
        column = getattr(again, name)
        assert getattr(back, name).dtype == column.dtype
        assert np.array_equal(getattr(back, name)[:, : column.shape[1]][again.mask], column[again.mask])
    assert "| `hidden` | float16 | episode, step, agent, unit |" in (folder / "README.md").read_text()
    assert main([*words, "record=preference"]) == 0
    back = bench.load_episodes(folder / f"fit.{ending}")
    assert back.hidden is None
    assert back.preference is not None


@pytest.mark.parametrize(("words", "message"), [
    (["format=csv"], "unknown format 'csv'; allowed: npz, parquet"), (["labels=maybe"], "labels is maybe; allowed: "),
    (["record=[hidden,hiden]"], "unknown column of record 'hiden'; allowed: hidden, preference, values (did you mean "),
    (["record=policy"], "unknown column of record 'policy'; allowed: hidden, preference, values")])
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    assert main(["export", *TINY, *words, f"out={tmp_path}"]) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_export(tmp_path, compiled, monkeypatch, capsys):
    assert main(["export", *TINY, f"out={tmp_path}"]) == 0
    before = sorted(path.name for path in tmp_path.rglob("*"))

    def full(*_):
        raise BenchError("cannot write: No space left on device")

    monkeypatch.setattr("bench.harness.export.write_json", full)
    assert main(["export", *TINY, f"out={tmp_path}", "labels=true"]) == 2
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
