"""What ``python -m bench doctor`` says, of a machine and of what env=smac needs there."""

import importlib.metadata
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from sc2_double import Misbehaviour, install

from bench import __version__
from bench.__main__ import main
from bench.envs import smac_doctor
from bench.envs.smac_names import MAPS

REASON = "needs oxwhirl/smac, pysc2 and the extra [smac]: python -m bench doctor env=smac"


def found(**options):
    return {one.check: one for one in smac_doctor.checks(**options)}


def test_a_bug_report_has_it_all(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    said = {title: text for title, _, text in (line.partition(":") for line in lines)}
    assert __version__ in said["release"]
    assert f"torch {importlib.metadata.version('torch')}" in said["packages"]
    assert "MISSING" not in said["packages"]
    assert "torch 1" in said["threads"]
    assert {"Python", "platform", "machine", "processes", "JAX", "plug-ins"} <= said.keys()
    assert str(Path.home()) not in "".join(lines)


def test_an_environment_without_checks_of_its_own_begins_an_episode(capsys):
    assert main(["doctor", "env.map=3m"]) == 0
    assert "ok    first step          smax/3m/random" in capsys.readouterr().out
    assert main(["doctor", "env._target_=bench.nowhere.World"]) == 2
    assert capsys.readouterr().err.endswith("to do: first step\n")


def test_what_is_missing_is_what_the_last_line_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SC2PATH", str(tmp_path / "nowhere"))
    assert main(["doctor", "env=smac"]) == 2
    said = capsys.readouterr()
    assert f"TO DO SC2PATH             no folder at {tmp_path}/nowhere (SC2PATH); install StarCraft II" in said.out
    assert "TO DO a battle            not tried" in said.out
    assert said.err.startswith("error: env=smac cannot be played here yet; to do: ")
    assert said.err.endswith("SC2PATH, a battle\n")
    assert main(["run", "env=smac"]) == 2
    assert "doctor env=smac" in capsys.readouterr().err


@pytest.mark.parametrize(("module", "check", "command"), [
    ("s2clientprotocol", "pys2clientprotocol", "pip install pys2clientprotocol==1.0.2"),
    ("websocket", "websocket-client", r"\[smac\]"), ("pysc2", "pysc2", "--no-deps pysc2==4.0.0"),
    ("smac", "smac", r"--no-deps git\+https://github.com/oxwhirl/smac@[0-9a-f]{40}")])
def test_a_package_that_is_missing_has_a_command(monkeypatch, module, check, command):
    find, owners = importlib.util.find_spec, importlib.metadata.packages_distributions()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == module else find(name, *rest))
    monkeypatch.setattr(importlib.metadata, "packages_distributions",
                        lambda: {name: own for name, own in owners.items() if name != module})
    finding = found()[check]
    assert not finding.ok
    assert re.search(f"is not installed; do: .*{command}", finding.text)


def test_smac_is_of_one_commit_wherever_it_stands():
    root = Path(__file__).parents[2]
    for name in ("Makefile", "docs/starcraft.md", "pyproject.toml"):
        found = re.findall("oxwhirl/smac@([0-9a-f]+)", (root / name).read_text(encoding="utf-8"))
        assert set(found) == {smac_doctor.COMMIT}, name


def test_packages_in_each_others_place(monkeypatch, tmp_path):
    for owners, said in ((["s2clientprotocol"], "does not load beside protobuf"),
                         (["s2clientprotocol", "pys2clientprotocol"], "own the same folder")):
        monkeypatch.setattr(importlib.metadata, "packages_distributions",
                            lambda owners=owners: {"s2clientprotocol": owners})
        assert not found()["protocol"].ok
        assert said in found()["protocol"].text
    (tmp_path / "smac").mkdir()
    (tmp_path / "smac" / "__init__.py").write_text("raise SystemExit('an optimiser, which nobody wants to start')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "smac"]:
        monkeypatch.delitem(sys.modules, name)
    assert not found()["smac"].ok
    assert "an optimiser; do: pip uninstall -y smac" in found()["smac"].text


@pytest.mark.slow
def test_a_game_that_is_not_whole(monkeypatch, tmp_path):
    root = tmp_path / "StarCraftII"
    monkeypatch.setattr(smac_doctor, "_played", lambda *_: iter(()))
    monkeypatch.setenv("SC2PATH", str(root))
    (root / "Maps/SMAC_Maps").mkdir(parents=True)
    assert "no Versions/Base..." in found()["game build"].text
    program = root / "Versions/Base75689/SC2_x64"
    program.parent.mkdir(parents=True)
    program.write_text("")
    monkeypatch.setattr(smac_doctor, "PROGRAM", program.name)
    assert not found()["game build"].ok
    program.chmod(0o755)
    assert found()["game build"] == smac_doctor.Finding("game build", True,
                                                        "75689 (4.10, that of most papers since)")
    assert "SMAC_Maps.zip" in found(map="3m")["map"].text
    (root / "Maps/SMAC_Maps/3m.SC2Map").write_bytes(b"MPQ\x1b")
    assert found(map="3m")["map"].text == f"3m, and 1 of SMAC's {len(MAPS)} in all"
    assert "none of SMAC's; allowed: 3m, 8m" in found(map="3n")["map"].text
    assert not found(difficulty="10")["difficulty"].ok


@pytest.fixture
def game(tmp_path, monkeypatch):
    """A folder with the double in it as SC2PATH, of which no process is left in the end."""
    for package in ("s2clientprotocol", "pysc2", "smac.env"):
        pytest.importorskip(package, reason=REASON)
    root = install(tmp_path)
    monkeypatch.setenv("SC2PATH", str(root))
    yield monkeypatch
    end = time.monotonic() + 10
    while left := [one for one in psutil.process_iter(["cmdline"]) if str(root) in " ".join(one.info["cmdline"] or [])]:
        assert time.monotonic() < end, left
        time.sleep(0.1)


def test_all_is_well_where_all_is_installed(game, capsys):
    assert main(["doctor", "env=smac", "env.map=3m"]) == 0
    said = capsys.readouterr().out
    assert "TO DO" not in said
    assert "stand-in for tests" in said
    for check in smac_doctor.PLAYED:
        assert f"ok    {check:<20}" in said


@pytest.mark.parametrize(("wrong", "check", "text"), [
    (Misbehaviour("crash", "create_game"), "first battle", "Error"),
    (Misbehaviour("crash", "step", first=5), "first battle", "the game has ended"),
    (Misbehaviour("hang", "observation", first=5), "first battle", "no answer within 8 s"),
    (Misbehaviour("ignore", "debug", first=2), "orders", "refuses an order for an enemy"),
    (Misbehaviour("crash", "quick_load"), "roll-back", "Error")])
def test_a_game_that_fails_is_told_of_and_ended(game, wrong, check, text):
    game.setenv("SC2_DOUBLE", wrong.text())
    game.setattr(smac_doctor, "LIMIT", 8.0)
    outcomes = found(map="3m")
    assert list(outcomes)[-1] == check
    assert not outcomes[check].ok
    assert text in outcomes[check].text


@pytest.mark.parametrize(("wrong", "text"), [
    (Misbehaviour("forget", "quick_load", count=2), "control of the enemy is lost by it"),
    (Misbehaviour("inexact", "quick_load", count=2), "another battle; battles will be gone back to by playing")])
def test_what_a_quick_load_does_not_keep(game, wrong, text):
    game.setenv("SC2_DOUBLE", wrong.text())
    finding = found(map="3m")["roll-back"]
    assert finding.ok
    assert text in finding.text


@pytest.mark.parametrize("by", ["Ctrl-C", signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_a_doctor_that_is_stopped(game, tmp_path, by):
    """In the middle of a battle; a terminal's Ctrl-C is heard by all processes of the command."""
    game.setenv("SC2_DOUBLE", Misbehaviour("hang", "observation", first=5).text())
    game.setenv("TMPDIR", str(tmp_path))
    command = [sys.executable, "-m", "bench", "doctor", "env=smac", "env.map=3m"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as process:
        end = time.monotonic() + 60
        while not any("-listen" in started.cmdline() for started in children(process)):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        started = children(process)
        assert len(started) >= 3, "who tries, the game, and who watches it"
        assert list(tmp_path.glob("sc-*"))
        if by == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(by)
        assert not psutil.wait_procs(started, 15)[1]
    assert process.returncode == (-by if by == signal.SIGKILL else 130)
    assert not list(tmp_path.glob("sc-*"))


def children(process):
    return psutil.Process(process.pid).children(recursive=True)
