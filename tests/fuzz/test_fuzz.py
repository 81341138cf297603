"""Hundreds of spoilt inputs; ``python -m tests.fuzz`` tries more."""

import gzip
import json
import os
import time
import zipfile
from dataclasses import asdict

import numpy as np
import pytest
from fuzzing import fuzz, show
from reporting_examples import result

from bench.artifacts.episodes import load_episodes
from bench.artifacts.files import sha256
from bench.artifacts.reading import inflated, parse_json, read_bytes, read_json, read_table
from bench.artifacts.results import read_result
from bench.artifacts.teams import load_team
from bench.artifacts.yaml_files import check_file
from bench.errors import BenchError


@pytest.mark.parametrize("inputs", [150, pytest.param(600, marks=pytest.mark.slow)])
def test_whatever_is_read_is_read_or_refused(inputs):
    outcomes, wrong = fuzz(inputs)
    assert not wrong, "\n".join([show(outcomes), *wrong[:20]])


@pytest.mark.parametrize("make", ["folder", "pipe", "device", "nothing"])
@pytest.mark.parametrize("name", ["x.npz", "x.json", "x.csv", "x.safetensors", "x.yaml"])
def test_what_is_no_file_is_refused_at_once(tmp_path, name, make):
    path = tmp_path / name
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "device": lambda: path.symlink_to("/dev/zero"),
     "nothing": lambda: None}[make]()
    read = {".npz": load_episodes, ".json": read_json, ".csv": read_table, ".yaml": check_file,
            ".safetensors": load_team}[path.suffix]
    began = time.monotonic()
    with pytest.raises(BenchError, match=rf"(cannot read|no checkpoint at) .*{name}"):
        read(path)
    assert time.monotonic() - began < 5


def test_bombs_are_not_inflated(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.artifacts.reading.room", lambda: 2**20)
    monkeypatch.setattr("bench.artifacts.columns.room", lambda: 2**20)
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(2**24)))
    with pytest.raises(BenchError, match=r"x\.gz is too large: it inflates to more than 1\.0 MB"):
        inflated(tmp_path / "x.gz")
    n = 2**20
    np.savez_compressed(tmp_path / "x.npz", observation=np.zeros((n, 1, 1, 1), np.float16), mask=np.ones((n, 1), bool),
                        available=np.ones((n, 1, 1, 1), bool), action=np.zeros((n, 1, 1), np.uint8),
                        reward=np.zeros((n, 1), np.float32), alive=np.ones((n, 1, 1), bool))
    with pytest.raises(BenchError, match=r"x\.npz is too large: 10\.5 MB; allowed here: 1\.0 MB"):
        load_episodes(tmp_path / "x.npz")
    (tmp_path / "x.csv").write_bytes(b"a\n" * 2**20)
    with pytest.raises(BenchError, match=r"x\.csv is too large: 2\.1 MB"):
        read_table(tmp_path / "x.csv")


def test_an_array_is_no_larger_than_its_file(tmp_path):
    """A header that asks for 3 GB, with nothing behind it."""
    for shape, why in (("(3000000000,)", "is not as long as its header says"), ("(-1,)", "array of shape"),
                       ("(" * 400, "")):
        header = f"{{'descr': '|b1', 'fortran_order': False, 'shape': {shape}, }}".encode()
        data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as file:
            file.writestr("mask.npy", data)
        with pytest.raises(BenchError, match=rf"x\.npz is corrupt.*{why}"):
            load_episodes(tmp_path / "x.npz")


@pytest.mark.parametrize(("text", "why"), [
    ("[" * 100_000, "nested 100000 deep"), ('{"a": ' * 70 + "1" + "}" * 70, "nested 70 deep"), ('{"a": NaN}',
                                                                                                "not finite"),
    ('{"a": 1e999}', "not finite"), ('{"a": 1, "a": 2}', "'a' twice"), ('{"a": 1' + "0" * 5_000 + "}", "too large"),
    ('{"a": "\\u0000"}', "NUL"), ('{"a": "\\ud800"}', "not UTF-8"), ("[]", "no|not a JSON object"), ("{", "not JSON"),
    ("{'a': 1}", "not JSON")])
def test_json_that_others_would_take(tmp_path, text, why):
    with pytest.raises(BenchError, match=rf"x\.json is corrupt: .*({why})"):
        parse_json(text.encode(), tmp_path / "x.json")
    assert parse_json(b'{"a": "\\ud83d\\ude00 [[[ \\" \\u00e9"}', tmp_path)["a"] == '😀 [[[ " é'


def test_yaml_that_says_a_billion_things(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    for text, why in (("\n".join(lines), "more than 100,000 values"), ("[" * 3_000, "not YAML|too deeply"),
                      ("a: &x [*x]", ""),
                      ("a: !!python/object/new:os.system [x]\n'", "not YAML"), ("\0", "not YAML")):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(BenchError, match=rf"x\.yaml is corrupt: .*({why})"):
            check_file(tmp_path / "x.yaml")


def test_a_file_that_grows_is_not_read_for_ever(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    with pytest.raises(BenchError, match="too large"):
        read_bytes(path, 4)
    assert read_bytes(path, 5) == b"12345"


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda r: r["rows"][0]["phases"].pop("before"), "a row has the phases after, before, whole"),
    (lambda r: r["rows"][1]["phases"].clear(), "a row has the phases"),
    (lambda r: r["sizes"].pop("normal"), "how many normal battles"),
    (lambda r: r["config"].update(env=[]), "config.env is no group of values"),
    (lambda r: r["config"].update(response="none"), "config.response is no group of values")])
def test_results_without_what_is_asked_for_by_name(tmp_path, spoil, why):
    found = asdict(result("a", "d", 0.7))
    spoil(found)
    (tmp_path / "x.json").write_text(json.dumps(
        {"sha256": sha256(json.dumps(found, sort_keys=True).encode()), "result": found}))
    with pytest.raises(BenchError, match=rf"x\.json is no result of this release: .*{why}"):
        read_result(tmp_path / "x")
