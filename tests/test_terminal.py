"""Other people's terminals and encodings: nothing is lost, and nothing ends in a traceback."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
POOR = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}


def shell(command, **environment):
    return subprocess.run(["bash", "-c", command.replace("BENCH", f"{sys.executable} -m bench")], cwd=ROOT, timeout=120,
                          env=os.environ | environment, capture_output=True)


@pytest.mark.parametrize(("command", "code"), [
    ("BENCH --help", 0), pytest.param("BENCH leaderboard --show", 0, marks=pytest.mark.slow),
    ("BENCH --help >&-", 0), ("BENCH --help >&- 2>&- <&-", 0),
    ("{ sleep .2; BENCH --help; } | true; exit ${PIPESTATUS[0]}", 141), ("BENCH --help > /dev/full", 2),
    ("BENCH nothing 2> /dev/full", 2)])
@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "cp1252"}, {"PYTHONIOENCODING": "ascii"}, POOR], ids=str)
def test_no_traceback(command, code, environment):
    done = shell(command, **environment)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_symbols_are_degraded():
    assert b"Scholkopf" in shell("BENCH help detector", PYTHONIOENCODING="ascii").stdout
    assert "Schölkopf".encode() in shell("BENCH help detector", PYTHONIOENCODING="utf-8").stdout


def test_no_text_is_read_in_the_encoding_of_the_place():
    done = shell(f"{sys.executable} -X warn_default_encoding -W error::EncodingWarning -m bench --help")
    assert (done.returncode, done.stderr) == (0, b"")
    for file in (f for room in ("bench", "attacks", "detectors") for f in (ROOT / room).rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if
                     isinstance(node, ast.Call)):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            texts = name in ("read_text", "write_text") or ("text" in given and name in ("run", "Popen"))
            if name == "open" and isinstance(call.func, ast.Name):
                mode = call.args[1].value if len(call.args) > 1 else "r"
                texts = "b" not in mode
            assert not texts or "encoding" in given, f"{file}:{call.lineno}"
