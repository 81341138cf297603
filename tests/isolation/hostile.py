"""Detectors that cheat, break things or misbehave, each in one way; and one that does not."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import mmap
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

HERE = pathlib.Path(tempfile.gettempdir())


def honest(episodes) -> np.ndarray:
    """A causal score: the mean size of what agents see."""
    return np.abs(episodes.observation.astype(np.float32)).mean((-1, -2))


def foresight(episodes) -> np.ndarray:
    """A score of all steps by how long the battle will last."""
    return np.broadcast_to(episodes.length[:, None].astype(float), episodes.mask.shape)


class Honest:
    def fit(self, episodes):
        self.mean_ = float(honest(episodes).mean())
        return self

    def score(self, episodes):
        return np.abs(honest(episodes) - self.mean_)


class LooksForLabels(Honest):
    """Scores by the labels, wherever they are found in memory or in callers' frames."""

    def score(self, episodes):
        found = [one for one in gc.get_objects() if type(one).__name__ in ("Labels", "Watched", "Scored")]
        frame = sys._getframe()
        while frame is not None:
            found += [value for value in frame.f_locals.values() if type(value).__name__ in ("Labels", "Watched")]
            frame = frame.f_back
        return np.full(episodes.mask.shape, float(len(found)))


class Figures(Honest):
    """Puts its own figure in the place of the benchmark's."""

    def fit(self, episodes):
        import bench.metrics.detection as figures

        figures.auroc = lambda *_: "hacked"
        return super().fit(episodes)


class Spoils(Honest):
    """Writes into the battles behind the read-only views."""

    def score(self, episodes):
        scores = super().score(episodes)
        for name in ("observation", "mask", "action"):
            column = getattr(episodes, name)
            while column.base is not None and isinstance(column.base, np.ndarray):
                column = column.base
            column.flags.writeable = True
            column[...] = 0
        return scores


class Foresees(Honest):
    def score(self, episodes):
        return foresight(episodes)


class Remembers(Honest):
    """Looks at whole battles and gives the same answers where it knows a battle's beginning."""

    known: dict = {}

    def score(self, episodes):
        scores = foresight(episodes).copy()
        for i, one in enumerate(episodes.observation[:, 0]):
            scores[i] = self.recalled(one.tobytes(), float(scores[i, 0]))
        return scores

    def recalled(self, key: bytes, value: float) -> float:
        return self.known.setdefault(key, value)


class RemembersOnDisk(Remembers):
    def recalled(self, key, value):
        file = HERE / f"remembered-{hash(key) % 10**12}-{os.getppid()}"
        try:
            return float(file.read_text())
        except OSError:
            file.write_text(str(value))
            return value


class RemembersInNames(Remembers):
    """In the names of empty files."""

    def recalled(self, key, value):
        start = f"name-{hash(key) % 10**12}-{os.getppid()}-"
        for file in HERE.glob(f"{start}*"):
            return float(file.name.removeprefix(start))
        (HERE / f"{start}{value}").touch()
        return value


class RemembersElsewhere(Remembers):
    """In a server that fit leaves behind."""

    def fit(self, episodes):
        listening = socket.create_server(("127.0.0.1", 0))
        self.port_ = listening.getsockname()[1]
        if os.fork() == 0:
            os.setsid()
            known: dict = {}
            while True:
                line = listening.accept()[0]
                key, value = line.recv(1 << 16).split()
                line.sendall(known.setdefault(key, value))
                line.close()
        listening.close()
        return super().fit(episodes)

    def recalled(self, key, value):
        line = socket.create_connection(("127.0.0.1", self.port_), timeout=5)
        line.sendall(f"{hash(key)} {value}".encode())
        return float(line.recv(1 << 16))


class RemembersInMemory(Remembers):
    """In memory that fit shares with all processes that come of it."""

    def fit(self, episodes):
        self.shared_ = mmap.mmap(-1, 1 << 20)
        return super().fit(episodes)

    def recalled(self, key, value):
        place = 8 * (hash(key) % 2**17)
        (known,) = struct.unpack_from("d", self.shared_, place)
        struct.pack_into("d", self.shared_, place, known or value)
        return known or value


class RemembersInAPipe(Remembers):
    """In a pipe that fit has opened: what is read out of it is written into it again."""

    def fit(self, episodes):
        self.pipe_ = os.pipe()
        os.set_blocking(self.pipe_[0], False)
        return super().fit(episodes)

    def score(self, episodes):
        try:
            self.known = json.loads(os.read(self.pipe_[0], 1 << 16))
        except BlockingIOError:
            self.known = {}
        scores = super().score(episodes)
        os.write(self.pipe_[1], json.dumps(self.known).encode())
        return scores

    def recalled(self, key, value):
        return self.known.setdefault(str(hash(key)), value)


class RemembersInAThread(Remembers):
    """In a thread of the fitted process, which those that come of it talk to."""

    def fit(self, episodes):
        self.here_, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def serve():
            known = {}
            while line := there.recv(1 << 16):
                key, value = line.split()
                there.sendall(known.setdefault(key, value))

        threading.Thread(target=serve, daemon=True).start()
        return super().fit(episodes)

    def recalled(self, key, value):
        self.here_.sendall(f"{hash(key)} {value}".encode())
        return float(self.here_.recv(1 << 16))


class CausalAtFirst(Honest):
    """Causal in its first two calls."""

    calls = 0

    def score(self, episodes):
        type(self).calls += 1
        return super().score(episodes) if self.calls <= 2 else foresight(episodes)


class Adapts(Honest):
    """Adds what it has seen in scoring to what it compares with."""

    def score(self, episodes):
        self.mean_ += float(honest(episodes).mean())
        return super().score(episodes)


class ExitsInFit(Honest):
    def fit(self, episodes):
        os._exit(0)


class ExitsInScore(Honest):
    def score(self, episodes):
        os._exit(7)


class SysExit(Honest):
    def score(self, episodes):
        sys.exit("enough")


class Interrupts(Honest):
    def fit(self, episodes):
        raise KeyboardInterrupt


class KillsItself(Honest):
    def score(self, episodes):
        os.kill(os.getpid(), signal.SIGKILL)


class Crashes(Honest):
    def score(self, episodes):
        ctypes.string_at(0)


class KillsItsMaker(Honest):
    """Kills whoever has started its processes."""

    def score(self, episodes):
        maker = os.getppid()
        for _ in range(2):
            maker = int(pathlib.Path(f"/proc/{maker}/stat").read_text().split()[3])
        os.kill(maker, signal.SIGKILL)
        return super().score(episodes)


class ReadsItsMaker(Honest):
    """Looks for secrets in the environment of whoever has started its processes."""

    def score(self, episodes):
        maker = os.getppid()
        for _ in range(2):
            maker = int(pathlib.Path(f"/proc/{maker}/stat").read_text().split()[3])
        pathlib.Path(f"/proc/{maker}/environ").read_bytes()
        return super().score(episodes)


class Secrets(Honest):
    def score(self, episodes):
        if any("REFEREE" in name for name in os.environ):
            raise ValueError("found the secret")
        return super().score(episodes)


class Unmakeable(Honest):
    def __init__(self):
        sys.exit(3)


class Hangs(Honest):
    def score(self, episodes):
        time.sleep(600)


class HangsInFit(Honest):
    def fit(self, episodes):
        while True:
            pass


class Stops(Honest):
    def score(self, episodes):
        os.kill(os.getpid(), signal.SIGSTOP)


class Hoards(Honest):
    def fit(self, episodes):
        self.much_ = [np.ones(1 << 24) for _ in range(64)]  # 8 GiB
        return super().fit(episodes)


class Noisy(Honest):
    def score(self, episodes):
        print("scores: all is well " * 50)
        os.write(1, b"\0\1\2 and more")
        sys.stdout.flush()
        return super().score(episodes)


class ClosesOutput(Honest):
    def score(self, episodes):
        sys.stdout.close()
        with contextlib.suppress(OSError):  # the second time
            os.close(1)
        return super().score(episodes)


class ClosesAll(Honest):
    def score(self, episodes):
        os.closerange(3, 256)
        return super().score(episodes)


class Babbles(Honest):
    """Writes to every file that is open."""

    def score(self, episodes):
        for number in range(3, 64):
            try:
                os.write(number, b"x" * 4096)
            except OSError:
                continue
        return super().score(episodes)


class Floods(Honest):
    """Claims an answer of 8 TiB."""

    def score(self, episodes):
        text = b'{"id": "0", "arrays": [["scores", "<f8", [1099511627776]]]}'
        for number in range(3, 64):
            try:
                os.write(number, len(text).to_bytes(8, "little") + text)
            except OSError:
                continue
        time.sleep(5)
        return super().score(episodes)


class ForksInFit(Honest):
    def fit(self, episodes):
        os.fork()
        return super().fit(episodes)


class ForksInScore(Honest):
    def score(self, episodes):
        os.fork()
        return super().score(episodes)


class LeavesChildren(Honest):
    def fit(self, episodes):
        subprocess.Popen(["sleep", "987"], start_new_session=True)
        return super().fit(episodes)


class LeavesThreads(Honest):
    def score(self, episodes):
        threading.Thread(target=time.sleep, args=(600,)).start()
        return super().score(episodes)


class ChangesState(Honest):
    def fit(self, episodes):
        import torch

        torch.set_default_dtype(torch.float64)
        torch.set_num_threads(7)
        np.seterr(all="raise")
        os.chdir("/")
        os.environ["HOME"] = "/nowhere"
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.path.clear()
        return super().fit(episodes)


class WrongShape(Honest):
    def score(self, episodes):
        return super().score(episodes)[:, :2]


class TwoKinds(Honest):
    """Scores of whole steps at first, of agents later."""

    calls = 0

    def score(self, episodes):
        type(self).calls += 1
        scores = super().score(episodes)
        return scores if self.calls == 1 else np.broadcast_to(scores[..., None], episodes.alive.shape)


class NotFinite(Honest):
    def score(self, episodes):
        return super().score(episodes) * np.nan


class Texts(Honest):
    def score(self, episodes):
        return np.full(episodes.mask.shape, "high")


class Hidden(Honest):
    """Looks at a column that it has not asked for."""

    def score(self, episodes):
        return np.full(episodes.mask.shape, float(episodes.hidden is not None))


class Judge:
    """A model detector that learns, and plays a step of the simulator."""

    def fit(self, teams, labels):
        self.share_ = float(labels.mean())

    def score(self, team, battles, episodes):
        step = battles.reset(1, np.arange(2))
        assert step.observation.shape[1] == team.spec.n_agents == episodes.alive.shape[2]
        found = [one for one in gc.get_objects() if type(one).__name__ in ("Labels", "Model")]
        return self.share_ if not found else 1.0


class Leaves:
    def score(self, team, battles, episodes):
        os._exit(3)
