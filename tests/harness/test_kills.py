"""What kills leave behind: nothing that runs, nothing that stays."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from bench.artifacts import temporary
from bench.artifacts.files import locked, write_atomic
from bench.harness.teams import Store

KILLED = """
import os, signal, sys
from pathlib import Path
from bench.artifacts.files import locked, write_atomic
target = Path(sys.argv[1])
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with locked(target):
    write_atomic(target, b"new")
"""
PARENT = """
import sys
from bench.children import child
with child([sys.executable, "-c", sys.argv[1]]) as process:
    print(process.pid, flush=True)
    process.wait()
"""
CHILD = "from bench.children import follow_parent; follow_parent(); import time; time.sleep(600)"
STUCK = """
import sys, time
from bench import interrupts
interrupts.install()
class Callback:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(60)
if sys.argv[1] == "lost":
    callback = Callback()
    del callback  # what is raised in here is printed and lost
    while True:
        interrupts.poll()
with interrupts.polled():  # what is raised nowhere is as good as a long compilation
    print("ready", flush=True)
    while True:
        time.sleep(1)
"""


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def gone(process: int, seconds: float = 20) -> bool:
    for _ in range(int(seconds * 20)):
        state = Path(f"/proc/{process}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_what_a_killed_writer_leaves_is_swept_by_the_next(tmp_path):
    target = tmp_path / "file"
    write_atomic(target, b"old")
    for _ in range(2):
        assert subprocess.run([sys.executable, "-c", KILLED, str(target)]).returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert any(name.endswith(temporary.ENDING) for name in names(tmp_path))
    assert any(name.endswith(temporary.LOCK) for name in names(tmp_path))
    write_atomic(tmp_path / "another", b"")
    assert names(tmp_path) == ["another", "file"]


class Sweeper:
    """Another process that is just sweeping a folder: it holds a file, and removes it half a second later at most."""

    def __init__(self, path: Path) -> None:
        self._path, self._handle = path, os.open(path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        threading.Timer(0.2, self._end).start()

    def _end(self) -> None:
        self._path.unlink()
        os.close(self._handle)


def test_a_writer_and_a_sweeper_at_once(tmp_path, monkeypatch):
    """The file that a writer has just made is swept before it holds it."""
    make, swept = tempfile.mkstemp, []

    def mkstemp(*args, **kwargs):
        handle, name = make(*args, **kwargs)
        if not swept:
            swept.append(Sweeper(Path(name)))
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", mkstemp)
    with temporary.temporary(tmp_path / "file") as new:
        time.sleep(0.4)
        assert new.exists()
    assert not names(tmp_path)


def test_a_sweeper_is_not_taken_for_another_run(tmp_path):
    Sweeper(tmp_path / f".run{temporary.LOCK}")
    with locked(tmp_path / "run"):
        pass
    assert not names(tmp_path)


def test_nothing_of_a_living_writer_is_swept(tmp_path):
    (tmp_path / ".mine.tmp").write_text("")  # of somebody else's making
    with temporary.temporary(tmp_path / "a") as file, temporary.temporary(tmp_path / "b", folder=True) as folder:
        (folder / "in").write_text("")
        with locked(tmp_path / "run"):
            before = names(tmp_path)
            temporary.sweep(tmp_path)
            assert names(tmp_path) == before
        assert file.exists()
        assert (folder / "in").exists()
    assert names(tmp_path) == [".mine.tmp"]


def test_an_interrupted_writer_tidies_up(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", b"new")
    assert not names(tmp_path)


def test_a_lock_is_one_lock_though_its_file_goes(tmp_path):
    """Processes that take a lock in turn, each removing its file, never hold it together."""
    code = """
import sys, time
from pathlib import Path
from bench.artifacts.files import locked
for _ in range(60):
    with locked(Path(sys.argv[1]), wait=-1):
        inside = Path(sys.argv[1] + ".inside")
        inside.touch(exist_ok=False)
        inside.unlink()
"""
    several = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "x")], stderr=subprocess.PIPE)
               for _ in range(3)]
    assert [process.communicate(timeout=120)[1] for process in several] == [b""] * 3
    assert not names(tmp_path)


def test_what_a_finished_run_left_is_tidied(tmp_path, team):
    store = Store(tmp_path / "t")
    store.save_part("1", {"agent.fc1.weight": team.weights["fc1.weight"]})
    store.save({"agent.fc1.weight": team.weights["fc1.weight"]}, {"steps": 1}, team)
    other = Store(tmp_path / "t-x")
    other.save({"agent.fc1.weight": team.weights["fc1.weight"]}, {}, team)
    kept = {name for name in names(tmp_path) if name.startswith("t-x")}
    with locked(tmp_path / "t"):
        store.tidy()
        assert store.file.exists(), "somebody is at it"
    store.tidy()
    assert set(names(tmp_path)) == kept


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux shows processes so")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_end_with_their_parent(number):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    child = int(parent.stdout.readline())
    assert not gone(child, 0.2)
    parent.send_signal(number)
    parent.communicate(timeout=20)
    assert gone(child)


@pytest.mark.parametrize("case", ["lost", "stuck"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_wherever_it_arrives(case, number):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen([sys.executable, "-c", STUCK, case], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    process.stdout.readline()
    began = time.monotonic()
    process.send_signal(number)
    if case == "stuck" and number == signal.SIGINT:
        time.sleep(0.5)
        process.send_signal(number)  # a second Ctrl-C does not wait
        process.wait(timeout=20)
        assert time.monotonic() - began < 2.5
    process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert process.returncode in ((130,) if case == "stuck" else (130, 1, -2)), "1, -2: Python's own, without a main()"
