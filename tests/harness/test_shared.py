"""The store that machines share: whole objects, leases, and cells that are computed once."""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from bench.artifacts import shared
from bench.artifacts.objects import Bucket, Folder
from bench.artifacts.shared import Busy, Shared
from bench.errors import BenchError

with_s3 = pytest.mark.skipif(not all(map(importlib.util.find_spec, ("s3fs", "moto", "flask"))),
                             reason="needs the extra [s3] and moto's server")
MAKER = """
import sys, time
from pathlib import Path
from bench.artifacts.shared import Shared
store, out, seconds, names, takes = sys.argv[1:]
store = Shared(store, float(seconds), True)
for name in names.split(","):
    base = Path(out, "runs", name)
    base.parent.mkdir(parents=True, exist_ok=True)
    with store.claimed(base, print) as mine:
        if mine:
            print("making", name, flush=True)
            time.sleep(float(takes))
            base.with_name(f"{name}.json").write_text(f"made in {out}")
            store.publish(base)
"""


def say(_):
    pass


def maker(store, out, names, seconds=60.0, takes=0.05) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", MAKER, str(store), str(out), str(seconds), ",".join(names),
                             str(takes)], stdout=subprocess.PIPE, text=True)


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def made(folder: Path, name="runs/x", **files: str) -> Path:
    base = folder / name
    base.parent.mkdir(parents=True, exist_ok=True)
    for ending, text in files.items():
        base.with_name(f"{base.name}.{ending.replace('_', '.')}").write_text(text)
    return base


@pytest.fixture(scope="module")
def bucket():
    """The URL of a bucket of moto's server, which refuses to create what is there, as S3 does."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "x",
                            "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("bench")
        yield "s3://bench/store"
    server.stop()


@pytest.fixture(params=["folder", "memory", pytest.param("s3", marks=[with_s3, pytest.mark.slow])])
def where(request, tmp_path):
    if request.param == "s3":
        return f"{request.getfixturevalue('bucket')}/{tmp_path.name}"
    return f"memory://{tmp_path.name}" if request.param == "memory" else str(tmp_path / "store")


@pytest.mark.filterwarnings("ignore")
def test_an_object_is_whole_and_the_first_stays(where):
    objects = Bucket(where) if "://" in where else Folder(Path(where))
    assert objects.get("a/b") is None
    assert objects.names("a") == []
    assert objects.create("a/b", b"first")
    assert not objects.create("a/b", b"second")
    assert objects.get("a/b") == b"first"
    objects.put("a/c", b"third")
    objects.put("a/c", b"fourth")
    assert objects.get("a/c") == b"fourth"
    assert sorted(objects.names("a")) == ["b", "c"]
    objects.delete("a/c")
    objects.delete("a/c")
    assert objects.names("a") == ["b"]


@pytest.mark.filterwarnings("ignore")
def test_files_go_from_one_machine_to_another(where, tmp_path):
    one, two = Shared(where, 60, True), Shared(where, 60, True)
    here = made(tmp_path / "1", json="result", curves_json="curves")
    there = made(tmp_path / "2")
    assert not two.fetch(there)
    one.publish(here)
    assert two.fetch(there)
    assert there.with_name("x.json").read_text() == "result"
    assert there.with_name("x.curves.json").read_text() == "curves"
    other = made(tmp_path / "3", json="a later one")
    two.publish(other)
    assert other.with_name("x.json").read_text() == "result", "those that were there first"
    with one.claimed(made(tmp_path / "4"), say) as mine:
        assert not mine


@pytest.mark.filterwarnings("ignore")
def test_what_is_made_elsewhere_is_left_or_waited_for(where, tmp_path):
    one, hasty, two = Shared(where, 60, True), Shared(where, 60, False), Shared(where, 0.8, True)
    here, there = made(tmp_path / "1"), made(tmp_path / "2")
    told, found = [], []

    def wait():
        with two.claimed(there, told.append) as mine:
            found.append(mine)

    with one.claimed(here, say) as mine:
        assert mine
        with pytest.raises(Busy, match=f"x is {shared.BUSY}"), hasty.claimed(there, say):
            pass
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        made(tmp_path / "1", json="result")
        one.publish(here)
    waiting.join()
    assert found == [False]
    assert told == [f"x is {shared.BUSY}: waiting for it"]
    assert not Shared(where, 60, True)._objects.names("leases/runs/x")


@pytest.mark.filterwarnings("ignore")
def test_a_lease_that_nobody_renews_expires_and_one_of_those_who_wait_takes_it(where, tmp_path):
    dead = Shared(where, 60, True)
    dead._objects.create("leases/runs/x/0", b"of a process that is gone")
    computed = []

    def wait(number):
        base = made(tmp_path / str(number))
        with Shared(where, 0.5, True).claimed(base, say) as mine:
            if mine:
                computed.append(number)
                time.sleep(1.0)  # twice as long as the lease: it is renewed
                made(tmp_path / str(number), json=str(number))
                dead.publish(base)

    waiting = [threading.Thread(target=wait, args=(number,)) for number in range(3)]
    for one in waiting:
        one.start()
    for one in waiting:
        one.join()
    assert len(computed) == 1
    assert {(tmp_path / f"{number}/runs/x.json").read_text() for number in range(3)} == {str(computed[0])}
    assert not dead._objects.names("leases/runs/x")


def test_a_failure_lets_go_of_the_lease(tmp_path):
    store, base = Shared(str(tmp_path / "store"), 60, False), made(tmp_path / "1")
    with pytest.raises(ValueError, match="no luck"), store.claimed(base, say):
        raise ValueError("no luck")
    with store.claimed(base, say) as mine:
        assert mine


def test_who_was_taken_for_dead_leaves_the_others_lease_alone(tmp_path):
    store, base = Shared(str(tmp_path / "store"), 60, False), made(tmp_path / "1")
    with store.claimed(base, say):
        store._objects.create("leases/runs/x/1", b"somebody else's")
    assert sorted(store._objects.names("leases/runs/x")) == ["0", "1"]


def test_two_processes_make_each_thing_once(tmp_path):
    names = [f"cell{number}" for number in range(12)]
    both = [maker(tmp_path / "store", tmp_path / out, names) for out in ("1", "2")]
    said = [process.communicate(timeout=250)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert Counter(line for text in said for line in text.splitlines() if line.startswith("making")) == Counter(
        f"making {name}" for name in names)
    for name in names:
        assert len({(tmp_path / f"{out}/runs/{name}.json").read_text() for out in "12"}) == 1
    assert not [path for path in (tmp_path / "store/leases").rglob("*") if path.is_file()]


def test_what_a_killed_holder_held_is_made_by_another(tmp_path):
    first = maker(tmp_path / "store", tmp_path / "1", ["x"], takes=600)
    assert first.stdout.readline() == "making x\n"
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = maker(tmp_path / "store", tmp_path / "2", ["x"], seconds=0.5)
    assert second.communicate(timeout=250)[0].splitlines() == ["x is being made elsewhere: waiting for it", "making x"]
    assert (tmp_path / "2/runs/x.json").exists()


def test_a_writer_that_is_killed_leaves_nothing_that_is_seen(tmp_path):
    code = ("import os, signal, sys; from pathlib import Path; from bench.artifacts.objects import Folder;"
            "os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL); Folder(Path(sys.argv[1])).create('a/b', b'x')")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert Folder(tmp_path).names("a") == []
    assert len(left(tmp_path)) == 1
    assert Folder(tmp_path).create("a/b", b"x")
    assert left(tmp_path) == [tmp_path / "a/b"], "the next of this machine tidies up"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("does", [Shared.fetch, Shared.offer, Shared.agree])
def test_the_lease_of_who_was_killed_once_it_was_done_is_removed(where, tmp_path, does):
    store, base = Shared(where, 60, True), made(tmp_path / "1", json="result", safetensors="weights")
    store.offer(base)
    store._objects.create("leases/runs/x/0", b"of a process that is gone")
    Shared(where, 60, True)._objects.create("leases/runs/y/0", b"of another thing's")
    does(store, made(tmp_path / "2") if does is Shared.fetch else base)
    assert not store._objects.names("leases/runs/x")
    assert store._objects.names("leases/runs/y")


def test_no_lease_depends_on_the_time_of_day(tmp_path, monkeypatch):
    """Clocks jump back and forth by years, and the times of files with them, while one makes something that another
    waits for, and while the lease of one that is gone expires."""
    clock, jumps, over = time.time, iter(range(10**6)), threading.Event()
    monkeypatch.setattr(time, "time", lambda: clock() + (-1) ** next(jumps) * 31_557_600)
    monkeypatch.setattr(time, "time_ns", lambda: int(time.time() * 1e9))
    store, taken = Shared(str(tmp_path / "store"), 0.8, True), []

    def wait():
        with Shared(str(tmp_path / "store"), 0.8, True).claimed(made(tmp_path / "2"), say) as mine:
            taken.append((over.is_set(), mine))

    waiting = threading.Thread(target=wait)
    with store.claimed(made(tmp_path / "1"), say):
        waiting.start()
        until = time.monotonic() + 2.4  # three times as long as the lease, which is renewed
        while time.monotonic() < until:
            for file in left(tmp_path / "store"):
                with contextlib.suppress(FileNotFoundError):
                    os.utime(file, (time.time(), time.time()))
            time.sleep(0.1)
        over.set()
    waiting.join()
    assert taken == [(True, True)], "it has had to wait until it was let go"
    store._objects.create("leases/runs/y/0", b"of a process that is gone")
    began = time.monotonic()
    with store.claimed(made(tmp_path / "1", "runs/y"), say) as mine:
        assert mine
    assert 0.8 < time.monotonic() - began < 5


@pytest.mark.parametrize("content", [b"", b"PK", b"{}", json.dumps({"a": 1}).encode()])
def test_what_is_no_object_is_one_line(tmp_path, content):
    store = Shared(str(tmp_path / "store"), 60, True)
    store._objects.create("runs/x", content)
    with pytest.raises(BenchError, match=r"runs/x in .* is corrupt"):
        store.fetch(made(tmp_path / "1"))
    assert not list((tmp_path / "1/runs").iterdir())


def test_another_team_of_the_same_name_is_refused(tmp_path):
    store = Shared(str(tmp_path / "store"), 60, True)
    store.agree(made(tmp_path / "1", "teams/t", safetensors="weights", json="took 3 s"))
    store.agree(made(tmp_path / "2", "teams/t", safetensors="weights", json="took 4 s"))
    store = Shared(str(tmp_path / "store"), 60, True)
    with pytest.raises(BenchError, match="another team"):
        store.agree(made(tmp_path / "3", "teams/t", safetensors="others", json="took 3 s"))


@pytest.mark.parametrize(("url", "said"), [("nonsense://x", "nonsense"), ("file:///proc/x/y", "does not do")])
def test_a_store_that_cannot_be_used_is_one_line(url, said, tmp_path):
    with pytest.raises(BenchError, match=said):
        Shared(url, 60, True).publish(made(tmp_path, json="x"))
