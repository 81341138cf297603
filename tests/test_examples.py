"""The examples run as their user would run them, in a folder of the user's, and print what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
README = (FOLDER / "README.md").read_text()
SCRIPTS = sorted(FOLDER.glob("*.py"))


def example(folder: Path, name: str, *words: str) -> str:
    """What an example prints in a folder."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *words], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "no checkpoint matches" not in done.stderr, "nothing is trained"
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_an_example_says_what_it_is(script):
    text = script.read_text()
    assert text.startswith('"""')
    opening = text.split('"""')[1]
    assert f"    python examples/{script.name}\n" in opening
    assert "\nPrints " in opening
    assert f"[{script.name}]({script.name})" in README


def test_the_table_has_all_of_them():
    assert sorted(re.findall(r"^\| \[(\w+\.py)\]", README, flags=re.MULTILINE)) == [script.name for script in SCRIPTS]


@pytest.mark.slow
def test_ones_own_detector(tmp_path):
    said = example(tmp_path, "own_detector", "--battles", "20")
    assert re.search(r"^ASR 0\.\d\d \(", said, flags=re.MULTILINE)
    assert re.search(r"^Surprise +backdoored +yes +[01]\.\d\d \(", said, flags=re.MULTILINE)
    assert re.search(r"^constant +backdoored +yes +0\.50 ", said, flags=re.MULTILINE), "a baseline beside it"
    assert len(list((tmp_path / "results/runs").glob("*Surprise*[0-9a-f].json"))) == 1


@pytest.mark.slow
def test_a_timeline(tmp_path):
    said = example(tmp_path, "battle_timeline", "--battles", "3", "--png", "one.png")
    steps = re.findall(r"^battle \d: (?:won|lost) after (\d+) steps", said, flags=re.MULTILINE)
    scores, marks = (re.findall(rf"^  {line} +(\S+)$", said, flags=re.MULTILINE) for line in ("score", "step"))
    assert len(steps) == 3
    assert [len(line) for line in scores] == [len(line) for line in marks] == [int(step) for step in steps]
    assert all(re.fullmatch(r"\.*t+[t.]*!+[.x]*x*", line) for line in marks), "the trigger, and then the attack"
    assert all(set(line) <= set("0123456789#") for line in scores)
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_ones_own_attack(tmp_path):
    said = example(tmp_path, "own_attack", "--battles", "20", "--zeta", "stop", "north", "north")
    assert "zeta: [stop, north, north]" in (tmp_path / "own_conf/attack/own_pattern.yaml").read_text()
    assert "own_pattern on vdn, smax/8m/random" in said
    assert "trigger completed" in said
    assert re.search(r"bigram +backdoored +[01]\.\d\d \(", said)


@pytest.mark.slow
def test_offline(tmp_path):
    said = example(tmp_path, "offline", "--battles", "20")
    assert "40 to judge" in said
    assert re.search(r"^AUROC of the forest +[01]\.\d\d \([01]\.\d\d to [01]\.\d\d\)$", said, flags=re.MULTILINE)
    assert re.search(r"^AUROC of a battle's length +[01]\.\d\d \(", said, flags=re.MULTILINE)
    assert list(tmp_path.glob("results/*/export/*/test.parquet"))
