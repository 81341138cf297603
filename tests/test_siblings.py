"""Files of a user's own that are called like the project's folders: neither hides the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FAR = """
import numpy as np

class Far:
    def fit(self, episodes):
        self.mean_ = float(np.abs(episodes.observation.astype(float)).mean())
        return self

    def score(self, episodes):
        return np.abs(episodes.observation.astype(float)).mean(-1) - self.mean_
"""
RUN = ["env.map=3m", "attack=none", "budget.train_steps=1_600_000", "control=null",
       "budget.fit_battles=8", "budget.calibration_battles=16", "budget.test_battles=16"]


def python(folder, *words) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, timeout=240,
                          env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"})


def bench(folder, *words) -> str:
    done = python(folder, "-m", "bench", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write(folder, files: dict[str, str]) -> None:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize("files", [
    {"conf.py": "1 / 0"}, {"conf/__init__.py": "", "conf/detector/isoforest.yaml": ""}, {"attacks.py": "1 / 0"},
    {"detectors/far.py": FAR}], ids=" ".join)
def test_help_is_ours_whatever_lies_beside_it(tmp_path, files):
    write(tmp_path, files)
    assert "isoforest, " in bench(tmp_path, "--help")
    assert "Isolation forest" in bench(tmp_path, "help", "detector")


@pytest.mark.slow
@pytest.mark.parametrize(("files", "name"), [
    ({"detectors.py": FAR}, "detectors.Far"),
    ({"detectors/far.py": FAR}, "detectors.far.Far"),
    ({"detectors/__init__.py": "from .far import Far", "detectors/far.py": "from detectors.base import Far",
      "detectors/base.py": FAR}, "detectors.Far"),
    ({"attacks.py": FAR, "mine.py": "import attacks\n\nclass Mine(attacks.Far):\n    pass\n"}, "mine.Mine")],
    ids=["a module", "a folder", "a package", "what another imports"])
def test_a_users_own_detector_may_be_called_like_ours(tmp_path, files, name):
    write(tmp_path, files)
    assert "passed" in bench(tmp_path, "check", name)


@pytest.mark.slow
def test_a_run_beside_folders_that_are_called_like_ours(tmp_path):
    write(tmp_path, {"detectors.py": FAR, "conf/config.yaml": "", "attacks.py": "1 / 0"})
    assert "Far" in bench(tmp_path, "run", *RUN, "detector._target_=detectors.Far")


def test_without_ones_own_the_old_names_are_ours(tmp_path):
    done = python(tmp_path, "-c", "import bench, detectors.views, bench.detectors as ours\n"
                                  "assert detectors is ours and detectors.views is ours.views\n"
                                  "from attacks.formula import Formula\n"
                                  "from detectors.nowhere import Nothing")
    assert done.stderr.strip().splitlines()[-1] == "ModuleNotFoundError: No module named 'detectors.nowhere'"


def test_records_tell_a_users_class_from_ours(tmp_path):
    write(tmp_path, {"detectors.py": FAR.replace("Far", "NGram")})
    names = ["detectors.NGram", "a.detectors.B", "bench.detectors.NGram"]
    said = f"from bench import siblings; print(*map(siblings.recorded, {names}))"
    assert python(tmp_path, "-c", said).stdout.split() == ["own:detectors.NGram", "a.detectors.B", "detectors.NGram"]
    (tmp_path / "detectors.py").unlink()
    assert python(tmp_path, "-c", said).stdout.split() == ["detectors.NGram", "a.detectors.B", "detectors.NGram"]
