"""Every command of the README and of the documentation runs, and their figures are the leaderboard's."""

from __future__ import annotations

import re
import shlex
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from bench.__main__ import main
from bench.leaderboard.rows import read_leaderboard
from bench.leaderboard.stealth import read_stealth
from bench.reporting.markdown import grid, tables, with_tables
from bench.reporting.sweep import readable
from bench.speed import perf, whole

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [block for page in PAGES for block in re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.DOTALL)]
COMMANDS = list(dict.fromkeys(  # each once, however many pages have it
    line.split(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()))
RESULTS = (ROOT / "docs/results.md").read_text()
SMALL = ["attack=scripted", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000", "control=null"]
FEWER = ["budget.fit_battles=16", "budget.calibration_battles=120", "budget.test_battles=40"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder, with the README's own detector in it."""
    path = tmp_path_factory.mktemp("user")
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(code.splitlines()) < 20
    (path / "my_detector.py").write_text(code)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python -m bench")])
@pytest.mark.filterwarnings("default")  # as for users
def test_command(command, folder, monkeypatch, capfd):
    """In this process, which has loaded what all of them need; CI runs ``make run`` in one of its own."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)  # as python -m does
    _, _, _, *words = shlex.split(command)
    if words[0] in ("run", "figures", "export", "repair", "adapt"):
        words += FEWER
    if words[0] in ("accidents", "patterns"):
        words += ["budget.accident_battles=64"]
    if words[0] == "adapt":
        words += ["budget.adapt_puppets=6", "budget.adapt_battles=24", "adapt.puppet.battles=32", "adapt.min_asr=0.3"]
    if words[0] == "shifts":
        words += ["budget.fit_battles=16", "budget.shift_calibration_battles=40", "budget.shift_battles=20"]
    if words[0] == "perf":
        words += ["env.map=3m"]
        monkeypatch.setattr(whole, "RUN", ("run", *SMALL, *FEWER))
        monkeypatch.setattr(whole, "adding", partial(whole.adding, rows=1_000))
        monkeypatch.setattr(whole, "TURNS", 1)
        monkeypatch.setattr(perf, "SECONDS", 0.2)
    if words[0] == "stealth":
        words += ["budget.accident_battles=64", "budget.stealth_battles=40"]
    code, said = main(words), capfd.readouterr()
    assert code == 0, said.err
    assert said.out.strip()
    assert "no checkpoint matches" not in said.err, "the README's examples use the shipped teams"


def test_make_goals_are_what_ci_runs():
    goals = [command for command in COMMANDS if command.startswith("make")]
    assert goals
    lines = (line.partition("#")[0].split() for line in (ROOT / ".ci/run").read_text().splitlines())
    run = {f"make {goal}" for command, *words in filter(None, lines) if command == "make" for goal in words}
    assert set(goals) <= run | {"make test"}
    assert "make docs" in run
    assert "make test-all" in run, "what make test runs, and the slow ones"
    assert not [c for c in COMMANDS if not c.startswith(("make ", "python -m bench "))]


def test_the_tables_are_the_leaderboards():
    csv = ROOT / "leaderboard/leaderboard.csv"
    parts = tables(read_leaderboard(csv), read_stealth(csv))
    for page in (README, RESULTS):
        assert with_tables(page, parts) == page, "run: python -m bench.reporting.markdown"
        assert "<!-- ranking: begin -->" in page
    assert all(f"<!-- {name}: begin -->" in README + RESULTS for name in parts)


def test_the_readme_is_read_in_a_minute():
    assert len(README.encode()) <= 9_000


@pytest.mark.parametrize("name", ["frontier", "table1"])
def test_the_tables_of_sweeps_are_their_csv(name):
    base = ROOT / "leaderboard" / name / name
    shown = readable(pd.read_csv(base.with_suffix(".csv")))
    assert base.with_suffix(".md").read_text() == f"{grid([str(c) for c in shown], shown.to_numpy().tolist())}\n"


def test_the_tables_are_of_a_thousand_battles_a_cell():
    frame = read_leaderboard(ROOT / "leaderboard/leaderboard.csv")
    assert (frame.status == "ok").all()
    assert (frame.n_normal == 1000).all()
    assert (frame.n_triggered == 1000).all()
    battles = frame[frame.env.str.startswith("smax/")]  # what is no battle may have no maps
    assert battles["map"].tolist() == battles.env.str.split("/").str[1].tolist()
    assert {"vdn", "qmix"} <= set(frame.algo) <= {"vdn", "qmix", "mappo", "ippo"}
    assert {"attack", "control", "floor"} == set(frame.kind)
    for attack in ("scripted", "marnet", "one4all"):
        assert set(frame[frame.attack == attack].seed) == {0, 1, 2}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!http)([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / link).exists(), link
