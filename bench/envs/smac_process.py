"""Processes of StarCraft II, started as pysc2 starts them, and how they are spoken to. None outlives this process,
however it ends.

The game cannot be told to follow its parent, and does not end when its parent is killed. So a small process of ours
holds a pipe whose other end this one alone has. The system closes that end when this process is gone, by kill -9 too;
the watcher then kills the games and removes their temporary folders. Games are of the watcher's process group, where it
finds one too that was only being started.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from functools import cache
from typing import Any

from absl import flags
from pysc2 import run_configs
from pysc2.lib import protocol, sc_process
from s2clientprotocol import sc2api_pb2 as api

WATCHER = """
import os, shutil, signal, sys
games = {}
for line in sys.stdin:
    pid, _, folder = line.rstrip("\\n").partition(" ")
    if folder:
        games[int(pid)] = folder
    else:
        games.pop(int(pid), None)
for pid, folder in games.items():
    try:
        os.kill(pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    except OSError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
if hasattr(os, "killpg"):
    os.killpg(0, signal.SIGKILL)
"""
START = 120  # seconds that a game may take to start, from a slow disk or with many others; one that has ended may not
_lock = threading.Lock()


class Connection(protocol.StarcraftProtocol):
    """To a game, with requests of which only the last one's answer is waited for where nobody looks at the others. They
    are answered in order, and Blizzard's protocol advises to keep its queue filled."""

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self.hurried = False  # whether actions and loops are followed by a look at once, as in a step of smac's
        self._unanswered: list[int] = []

    def send(self, **request: Any) -> Any:
        (name,) = request
        message = api.Request(id=next(self._count), **request)
        self.write(message)
        self._unanswered.append(message.id)
        if self.hurried and name != "observation":
            return None
        try:
            while self._unanswered:
                wanted = self._unanswered.pop(0)
                response = self.read()
                if response.HasField("id") and response.id != wanted:  # old builds say none
                    raise protocol.ConnectionError("an answer is out of turn")
        except protocol.ConnectionError as error:
            raise protocol.ConnectionError(f"Error during {name}: {error}") from None
        return getattr(response, name)


class GameProcess(sc_process.StarcraftProcess):
    """A game that says nothing on our terminal, and does not hear of Ctrl-C there."""

    _watched = 0  # its number, as long as the watcher knows it

    def _launch(self, run_config: Any, args: list[str], **_: Any) -> subprocess.Popen:
        with _lock:
            group = _watcher().pid
        process = subprocess.Popen(args, cwd=run_config.cwd, env=run_config.env, stdin=subprocess.DEVNULL,  # noqa: S603
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=group)
        self._watched = process.pid
        _tell(f"{process.pid} {self._tmp_dir}")
        return process

    def kill(self) -> None:
        """End it at once. Whoever waits for an answer gets an exception."""
        if self._proc is not None:
            self._proc.kill()
            self._proc.wait()  # pysc2 sees then that it is gone, and waits for no answer
        self.close()

    def close(self) -> None:
        super().close()
        if self._watched:
            _tell(str(self._watched))
            self._watched = 0


class Installed(type(run_configs.get())):  # type: ignore[misc]
    """The installed game as pysc2 finds it, whose processes are ours. pysc2 takes the class of the greatest priority.
    """

    def start(self, want_rgb: bool = True, **options: Any) -> GameProcess:  # noqa: ARG002
        path = f"{self.data_dir}/Versions/Base{self.version.build_version:05d}/{self._exec_name}"
        process = GameProcess(self, exec_path=path, version=self.version, timeout_seconds=START, **options)
        socket = process.controller._client._sock
        socket.settimeout(flags.FLAGS.sc2_timeout)  # of its answers from now on
        process.controller._client = Connection(socket)
        return process

    @classmethod
    def priority(cls) -> int:
        return 2


@cache
def _watcher() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", WATCHER], stdin=subprocess.PIPE,  # noqa: S603
                            stdout=subprocess.DEVNULL, process_group=0, encoding="utf-8", errors="replace")


def _tell(line: str) -> None:
    with _lock, contextlib.suppress(OSError):  # if somebody has ended the watcher, so be it
        pipe = _watcher().stdin
        assert pipe is not None
        pipe.write(f"{line}\n")
        pipe.flush()
