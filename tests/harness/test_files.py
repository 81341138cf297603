"""What is on disk: whole, sealed, and refused when it is not."""

import json
import multiprocessing
import os
import struct
import threading
from pathlib import Path

import pandas as pd
import pytest
import safetensors.torch
import torch

from bench.artifacts import zoo
from bench.artifacts.files import config_hash, locked, read_json, sha256, write_atomic, write_json
from bench.artifacts.results import curves_written, read_curves, read_result, write_curves, write_result
from bench.artifacts.teams import load_team, read_tensors, save_team, write_tensors
from bench.contracts import Curves, Detection, Estimate, Figures, Result, Row, Timeline
from bench.errors import BenchError
from bench.leaderboard import rows
from bench.leaderboard.rows import add_rows, read_leaderboard

SOME = Estimate(0.5, 0.4, 0.6)


def result(**changes):
    detection = Detection(SOME, SOME, 0.5, SOME, SOME, SOME, SOME, 10, 10)
    phases = dict.fromkeys(("before", "after", "whole"), detection)
    rows = [Row(team, True, "isoforest", kind, phases, Estimate(None))
            for team, kind in (("backdoored", "attack"), ("clean", "control"))]
    return Result(**{
        "status": "ok", "error": None, "benchmark_version": "1", "env": "e", "env_version": "v", "algo": "vdn",
        "attack": "a", "trigger_kind": "behaviour", "agents_poisoned": 1,
        "poison_rate": 0.5, "poisoned_steps": 0.1, "detector": "isoforest", "seed": 0, "config": {"x": [1, 2]},
        "config_hash": "00", "checkpoints": {"clean": "c", "backdoored": "b"}, "checkpoint_id": "name",
        "sizes": {"normal": 10}, "figures": Figures(*[SOME] * 8), "rows": rows, "packages": {}, "git_sha": None,
        "date": "2026-01-01", "runtime_s": 1.0, **changes})


def test_a_team_comes_back_as_it_was(tmp_path, team, qmix_team):
    for one in (team, qmix_team):
        save_team(tmp_path / one.algo, one, {"curve": [{"steps": 1.0}]})
        for name in (one.algo, f"{one.algo}.safetensors", f"{one.algo}.json"):
            back, about = load_team(tmp_path / name)
            assert back.algo == one.algo
            assert back.spec == one.spec
            assert all(torch.equal(back.weights[k], one.weights[k]) for k in one.weights)
            assert back.mixer.keys() == one.mixer.keys()
            assert about["curve"] == [{"steps": 1.0}]


def test_a_backdoored_file_looks_like_a_clean_one(tmp_path, qmix_team):
    """Same size, same names, same shapes, same order: the layout gives nothing away."""
    other = qmix_team.with_agent(1, qmix_team.agent(0))
    other.weights["fc2.bias"][1] += 1
    headers = []
    for name, one in (("clean", qmix_team), ("backdoored", other)):
        save_team(tmp_path / name, one, {})
        data = (tmp_path / f"{name}.safetensors").read_bytes()
        headers.append((len(data), data[8: 8 + struct.unpack("<Q", data[:8])[0]]))
    assert headers[0] == headers[1]


def test_a_checkpoint_that_names_no_architecture_is_value_based(saved, team):
    assert json.loads(saved.with_suffix(".json").read_text())["architecture"] == team.architecture == "rnn_q"
    rewrite(saved, lambda about: about.pop("architecture"))
    assert type(load_team(saved)[0]) is type(team)


@pytest.fixture
def saved(tmp_path, team):
    save_team(tmp_path / "t", team, {})
    return tmp_path / "t.safetensors"


def rewrite(saved, change):
    about = json.loads(saved.with_suffix(".json").read_text())
    change(about)
    saved.with_suffix(".json").write_text(json.dumps(about))


def test_bit_flip(saved):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(BenchError, match=r"t\.safetensors is corrupt: its sha256 is"):
        load_team(saved)


def test_truncated(saved):
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(BenchError, match=r"t\.safetensors is corrupt: it is not a whole safetensors file"):
        load_team(saved)


def test_pickle(saved, tmp_path):
    torch.save({"a": torch.zeros(1)}, saved)
    with pytest.raises(BenchError, match="is a pickle, which could run code"):
        load_team(saved)
    torch.save({"a": torch.zeros(1)}, tmp_path / "team.pt")
    with pytest.raises(BenchError, match=r"team\.pt is a pickle"):
        load_team(tmp_path / "team.pt")


def test_no_length_of_the_header_looks_like_a_pickle(tmp_path):
    """A safetensors file begins with that length: one of them in 32 has the first byte of a pickle."""
    first = set()
    for padding in range(0, 256, 8):
        write_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, {"padding": "-" * padding})
        first.add((tmp_path / "x.safetensors").read_bytes()[0])
        assert read_tensors(tmp_path / "x.safetensors")[0]["a"] == 1
    assert 0x80 in first


@pytest.mark.parametrize(("change", "message"), [
    (lambda a: a.update(architecture="rnn_p"),
     "unknown architecture in t.json 'rnn_p'; allowed: rnn_q, rnn_actor .*did you mean"),
    (lambda a: a.update(algo="vnd"), "unknown algorithm .*'vnd'; allowed: vdn, qmix .*did you mean 'vdn'"),
    (lambda a: a.update(algo="qmix"), "does not hold a qmix team .*'mixer.* is missing"),
    (lambda a: a["env"].update(n_actions=99), "does not hold a vdn team .*expected"),
    (lambda a: a["env"].update(n_actions="many"), "is no description of a team"),
    (lambda a: a["env"].update(n_actions=-400), "sizes of an environment that cannot be"),
    (lambda a: a["env"].update(observation_size=10**9), "sizes of an environment that cannot be"),
    (lambda a: a["env"].update(observation_size=90_000), "does not hold a vdn team"),
    (lambda a: a.pop("env"), "is no description of a team")])
def test_wrong_descriptions(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(BenchError, match=message):
        load_team(saved)


def test_missing_and_broken_files(saved, tmp_path):
    with pytest.raises(BenchError, match="no checkpoint at"):
        load_team(tmp_path / "nothing")
    saved.with_suffix(".json").write_text("{")
    with pytest.raises(BenchError, match="is corrupt: it is not JSON"):
        load_team(saved)


def test_another_version_of_the_environment(saved, battles):
    rewrite(saved, lambda a: a["env"].update(version="jaxmarl-0.1.0+1"))
    team, _ = load_team(saved)
    with pytest.raises(BenchError, match=r"trained in environment version 'jaxmarl-0\.1\.0\+1' and cannot play in"):
        team.require(battles.spec)


def test_nothing_half_written(tmp_path, monkeypatch):
    target = tmp_path / "file"
    write_atomic(target, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BenchError, match=r"cannot write .*file: No space left on device"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_no_place_to_write():
    with pytest.raises(BenchError, match="cannot write /proc/x/file"):
        write_json(Path("/proc/x/file"), {})


def test_a_lock_is_somebody_elses(tmp_path):
    with locked(tmp_path / "run"), pytest.raises(BenchError, match="another run is writing .*run; wait for it"), \
            locked(tmp_path / "run"):
        pass
    with locked(tmp_path / "run"):
        pass


def test_hashes_name_content_not_order():
    assert config_hash({"a": 1, "b": [2]}) == config_hash({"b": [2], "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})


def test_a_result_comes_back_as_it_was(tmp_path):
    write_result(tmp_path / "r", result())
    assert read_result(tmp_path / "r") == result()
    assert read_result(tmp_path / "none") is None
    sealed = read_json(tmp_path / "r.json")
    sealed["result"]["figures"]["asr"]["value"] = 0.99
    write_json(tmp_path / "r.json", sealed)
    with pytest.raises(BenchError, match=r"r\.json is corrupt: its content is not what its sha256 says"):
        read_result(tmp_path / "r")


def test_curves_come_back_as_they_were(tmp_path):
    curves = Curves({"after": [[0.0, 1.0], [0.5, 1.0]]}, {}, [[], []], [Timeline("most anomalous", 3, [1.5], 0)],
                    [None, 2.0], 4, 10)
    assert not curves_written(tmp_path / "r")
    write_curves(tmp_path / "r", [curves, curves])
    assert curves_written(tmp_path / "r")
    assert read_curves(tmp_path / "r") == [curves, curves]
    assert read_curves(tmp_path / "none") is None
    file = tmp_path / "r.curves.json"
    file.write_text(file.read_text().replace("1.5", "2.5"))
    with pytest.raises(BenchError, match=r"r\.curves\.json is corrupt: its content is not what its sha256 says"):
        read_curves(tmp_path / "r")


def test_the_leaderboard_replaces_a_row_and_keeps_the_others(tmp_path):
    path = tmp_path / "l.csv"
    add_rows(path, result())
    add_rows(path, result(config_hash="11"))
    add_rows(path, result(benchmark_version="2"))
    add_rows(path, result(runtime_s=9.0))
    frame = read_leaderboard(path)
    assert len(frame) == 6
    assert sorted(frame[frame.runtime_s == 9].benchmark_version.astype(str)) == ["1", "1"]
    assert frame.before_auroc_low.eq(0.4).all()
    assert frame.delay.isna().all(), "what is missing stays missing"


def test_a_new_cell_is_added_without_reading_the_other_rows(tmp_path, monkeypatch):
    path = tmp_path / "l.csv"
    add_rows(path, result())
    before = path.read_bytes()

    def refuse(*_, **__):
        raise AssertionError("the other rows are read")

    monkeypatch.setattr(rows, "read_table", refuse)
    add_rows(path, result(config_hash="11"))
    assert path.read_bytes().startswith(before)
    monkeypatch.undo()
    assert sorted(set(read_leaderboard(path).config_hash)) == sorted({result().config_hash, "11"})


def test_old_results_have_no_attribution(tmp_path):
    """A result written before there were such figures is read, and says nothing where it knows nothing."""
    write_result(tmp_path / "r", result())
    content = read_json(tmp_path / "r.json")["result"]
    for row in content["rows"]:
        del row["attribution"], row["attribution_chance"]
        for phase in row["phases"].values():
            del phase["vus_pr"]
    sealed = sha256(json.dumps(content, sort_keys=True).encode())
    write_json(tmp_path / "r.json", {"sha256": sealed, "result": content})
    old = read_result(tmp_path / "r")
    assert old == result()
    add_rows(tmp_path / "l.csv", old)
    frame = read_leaderboard(tmp_path / "l.csv")
    assert frame[["attribution", "attribution_chance", "before_vus_pr"]].isna().all(axis=None)


def test_a_failed_cell_is_replaced_when_it_succeeds(tmp_path):
    path = tmp_path / "l.csv"
    for _ in range(2):
        add_rows(path, result(status="error", error="no", rows=[]))
    assert read_leaderboard(path).status.tolist() == ["error"]
    add_rows(path, result())
    assert read_leaderboard(path).status.tolist() == ["ok", "ok"]


def _writer(path, k):
    add_rows(path, result(config_hash=f"{k:02x}"))


@pytest.mark.slow
def test_concurrent_writers_lose_nothing(tmp_path):
    path = tmp_path / "l.csv"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_writer, args=(path, k)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert sorted(set(read_leaderboard(path).config_hash)) == ["00", "01", "02", "03"]


def test_what_is_no_leaderboard(tmp_path):
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "x.csv")
    with pytest.raises(BenchError, match="is no leaderboard: it has no column 'benchmark_version'"):
        add_rows(tmp_path / "x.csv", result())
    assert (tmp_path / "x.csv").read_text().startswith(",a"), "left as it was"


def test_the_shipped_zoo_is_whole():
    """Each team, put together, has the hash of the one file that it was: rows of the leaderboard name it by that."""
    assert len(zoo.check()) > len(zoo.names()) > 0
    for name, digest in zoo.manifest().teams.items():
        team, about = load_team(zoo.FOLDER / name)
        assert sha256(safetensors.torch.save(team.tensors())) == about["sha256"] == digest


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A zoo of the test's own."""
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "zoo")
    monkeypatch.setattr(zoo, "MANIFEST", tmp_path / "zoo" / "manifest.json")
    return tmp_path / "zoo"


def other(team, agent):
    changed = team.with_agent(agent, team.agent(agent))
    changed.weights["fc2.bias"][agent] += 1
    return changed


def test_a_shipped_team_comes_back_as_it_was(shelf, tmp_path, team, qmix_team):
    for name, one in (("vdn", team), ("qmix", other(qmix_team, 1))):
        save_team(tmp_path / name, one, {"curve": [{"steps": 1.0}]})
        about = read_json(tmp_path / f"{name}.json")
        zoo.publish([tmp_path / name])
        back, told = load_team(shelf / name)
        assert told == about, "and nothing of how it is stored"
        assert {key: value.tolist() for key, value in back.tensors().items()} == {
            key: value.tolist() for key, value in one.tensors().items()}
        save_team(tmp_path / "again", back, {})
        assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / f"{name}.safetensors").read_bytes()


def test_every_network_is_stored_once(shelf, tmp_path, team, qmix_team):
    for name, one in (("a", team), ("b", other(team, 1)), ("c", other(team, 1)), ("d", qmix_team)):
        save_team(tmp_path / name, one, {})
    zoo.publish([tmp_path / name for name in "abc"])
    assert len(list(shelf.glob("networks/*"))) == 2, "that which all share, and that of the changed agent"
    zoo.publish([shelf / "a", tmp_path / "d"])
    assert len(list(shelf.glob("networks/*"))) == 3, "what nobody has any more is gone; a new one, and its mixer"


def test_a_changed_zoo_is_noticed(shelf, tmp_path, team):
    save_team(tmp_path / "t", team, {})
    zoo.publish([tmp_path / "t"])
    digest = read_json(shelf / "t.json")["networks"][0]
    assert zoo.check() == [f"networks/{digest}.safetensors", "t.json"]
    (shelf / "networks" / "extra.json").write_text("{}")
    with pytest.raises(BenchError, match=r"networks/extra\.json is not in the manifest"):
        zoo.check()
    (shelf / "networks" / "extra.json").unlink()
    network = shelf / "networks" / f"{digest}.safetensors"
    network.write_bytes(network.read_bytes()[:-1] + b"x")
    for look in (zoo.check, lambda: load_team(shelf / "t")):
        with pytest.raises(BenchError, match=rf"{digest}\.safetensors is corrupt: its sha256 is"):
            look()
    network.unlink()
    for look in (zoo.check, lambda: load_team(shelf / "t")):
        with pytest.raises(BenchError, match=rf"cannot read .*{digest}\.safetensors"):
            look()
    (shelf / "t.json").write_text("{}")
    with pytest.raises(BenchError, match=r"t\.json is corrupt|cannot read"):
        zoo.check()


@pytest.mark.parametrize("named", ["../../t", "networks/" + "0" * 64, "0" * 63, ""])
def test_a_networks_name_is_a_hash(shelf, tmp_path, team, named):
    save_team(tmp_path / "t", team, {})
    zoo.publish([tmp_path / "t"])
    rewrite(shelf / "t", lambda about: about.update(networks=[named] * 3))
    with pytest.raises(BenchError, match=r"t\.json is no description of a shipped team: networks\.0"):
        load_team(shelf / "t")


def test_elsewhere_a_team_is_one_file(shelf, tmp_path, team):
    """Whatever its description says of networks: a stranger may have written it."""
    save_team(tmp_path / "t", team, {})
    zoo.publish([tmp_path / "t"])
    (tmp_path / "networks").symlink_to(shelf / "networks")
    (tmp_path / "t.json").write_bytes((shelf / "t.json").read_bytes())
    load_team(tmp_path / "t")
    (tmp_path / "t.safetensors").unlink()
    with pytest.raises(BenchError, match="no checkpoint at"):
        load_team(tmp_path / "t")


def test_publishing_ships_these_teams_and_no_others(shelf, tmp_path, team, qmix_team):
    save_team(tmp_path / "made" / "comes-s0-1.5", qmix_team, {})
    save_team(shelf / "stays", team, {})  # put there by hand
    save_team(shelf / "goes", team, {})
    assert zoo.publish([shelf / "stays", tmp_path / "made" / "comes-s0-1.5"]) == ["comes-s0-1.5", "stays"]
    files = [file for file in zoo.check() if not file.startswith("networks/")]
    assert files == ["comes-s0-1.5.json", "stays.json"]
    load_team(shelf / "comes-s0-1.5")
    with pytest.raises(BenchError, match=r"no checkpoint at .*gone\.safetensors"):
        zoo.publish([shelf / "stays", tmp_path / "gone"])
    assert zoo.names() == ["comes-s0-1.5", "stays"]


def test_a_lock_that_is_waited_for(tmp_path):
    order, told = [], threading.Event()

    def second():
        with locked(tmp_path / "x", wait=-1, say=lambda _: told.set()):
            order.append("second")

    with locked(tmp_path / "x"):
        thread = threading.Thread(target=second)
        thread.start()
        assert told.wait(30), "whoever waits is told so"
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
