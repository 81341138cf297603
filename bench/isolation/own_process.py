"""The process of a detector, from the side of the run: started, asked, watched and ended.

See :mod:`bench.isolation.worker` for the other end.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, Self

import numpy as np
import psutil
import pydantic.dataclasses
from pydantic import PositiveFloat

from bench.errors import DetectorError
from bench.isolation.wire import Wire
from bench.protocol.seeds import VARIABLE

BEGIN = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from bench.isolation.worker import main; main()"
POLL = 0.25  # seconds between two looks at what a detector's processes take
MOST_PRINTED = 1 << 20  # bytes of what a detector prints that are passed on
PIPE = 1 << 20  # bytes that the pipes hold; with the usual 64 KiB two processes take turns far too often

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]  # a header, and arrays


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Limits:
    """What a detector in a process of its own may take: minutes for one fit or one batch of scores, and memory."""

    minutes: PositiveFloat = 60.0
    gigabytes: PositiveFloat = 8.0


class OwnProcess:
    """A detector, of anomalies or of whole teams, that is made in another process.

    Parameters
    ----------
    what : the detector's configuration, plain values with ``_target_``; or the detector itself, which is copied.
    name : what it is called in errors.
    role : "detector" or "model detector".
    packages : those that the user named, whose classes have to be their own.

    Raises
    ------
    DetectorError : the detector is an object that cannot be sent to another process.
    """

    def __init__(self, what: Any, name: str, limits: Limits, role: str = "detector",
                 packages: Iterable[str] = ()) -> None:
        self.name, self.limits = name, limits
        self._first: tuple[dict[str, Any], dict[str, np.ndarray]] = {"role": role, "packages": list(packages)}, {}
        if isinstance(what, dict):
            self._first[0]["node"] = what
        else:
            self._first[1]["object"] = _sent(what)
        self._process: subprocess.Popen[bytes] | None = None
        self._about: dict[str, Any] | None = None  # until it is known
        self._copies: list[str] = []  # the questions that have begun one, the youngest last

    def start(self) -> None:
        """Have a process begin to make the detector, and do not wait for it."""
        if self._process is None:
            self._spawn()
            self._first[0]["id"] = secrets.token_hex(8)
            with self._watched("__init__") as wire:
                wire.send(*self._first)

    @property
    def about(self) -> Mapping[str, Any]:
        """What the detector says of itself, unchecked: "needs", and of a model detector "kind" and "learns"."""
        self.start()
        if self._about is None:
            with self._watched("__init__") as wire:
                reply = self._reply(wire, self._first[0]["id"], 0)
            try:
                self._about, _ = self._answer("__init__", *reply)
            except DetectorError:
                self.close()  # a process without a detector
                raise
        return self._about

    def asked(self, what: str, header: dict[str, Any], arrays: Mapping[str, np.ndarray] | None = None,
              largest: int = 0, begins: bool = False) -> Answer:
        """Ask the youngest of the detector's processes; returns its answer, whose arrays may have ``largest`` bytes.

        A question that ``begins`` something is for a copy of that process, which is then the youngest, until
        :meth:`until_ended` is called with the "id" of its answer.

        Raises DetectorError if there is no answer.
        """
        _ = self.about  # it has been made
        header["id"] = secrets.token_hex(8)
        if begins:
            self._copies.append(header["id"])
        with self._watched(what) as wire:
            wire.send(header, arrays)
            reply = self._reply(wire, header["id"], largest)
        return self._answer(what, *reply)

    @contextlib.contextmanager
    def copy(self) -> Iterator[Callable[..., Answer]]:
        """A copy of the youngest of the detector's processes: what asks it (see :meth:`asked`), until the end of the
        ``with``."""
        older = len(self._copies)
        try:
            yield lambda what, header, arrays=None, largest=0: self.asked(
                what, header, arrays, largest, begins=len(self._copies) == older)
        finally:
            for name in self._copies[older: older + 1]:
                self.until_ended(name)

    def _reply(self, wire: Wire, name: str, largest: int) -> Answer:
        """What the process that was asked says, or how it has ended without a word."""
        error: Answer | None = None
        while True:
            reply, arrays = wire.receive(largest)
            if "ended" in reply and reply.get("id") in self._copies:
                del self._copies[self._copies.index(reply["id"]):]
                if error is None and reply["id"] != name:
                    self.close()  # before it was asked, and somebody else may have read the question
                return error or (reply, {})
            if reply.get("id") == name and "ended" not in reply:
                if "error" not in reply or not self._copies:
                    return reply, arrays
                error = reply, {}  # its process ends with it

    def _answer(self, what: str, answer: dict[str, Any], found: dict[str, np.ndarray]) -> Answer:
        if "ended" in answer:
            raise DetectorError(f"{self.name}.{what} ended its process ({_how(answer['ended'])})")
        if "error" in answer:
            text = str(answer["error"])
            raise DetectorError(text if answer.get("ours") is True else f"{self.name}.{what} failed: {text}")
        return answer, found

    def until_ended(self, name: str) -> None:
        """Let the copy go that was begun by the question of this "id", and before it those that came of it."""
        while name in self._copies:
            youngest = self._copies[-1]
            with contextlib.suppress(DetectorError), self._watched("end") as wire:
                wire.send({"do": "end"})
                while (reply := wire.receive(0)[0]).get("id") != youngest or "ended" not in reply:
                    pass
            self._copies = self._copies[:-1]

    def close(self) -> None:
        """End the detector's processes."""
        if self._process is None:
            return
        for process in _tree(self._process.pid):
            with contextlib.suppress(psutil.Error):
                process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process.wait()
        self._process = self._about = None
        self._copies = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spawn(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-c", BEGIN, json.dumps(sys.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, bufsize=0, env=environment, start_new_session=True)
        if sys.platform == "linux":
            import fcntl

            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):  # of a user who has many pipes already
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)  # type: ignore[arg-type]
        threading.Thread(target=_passed_on, args=(self._process.stderr,), daemon=True).start()

    @contextlib.contextmanager
    def _watched(self, what: str) -> Iterator[Wire]:
        """The wire to the detector's processes, which are ended if they take too much or send no message."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        wire = Wire(self._process.stdout.fileno(), self._process.stdin.fileno())
        guard = _Guard(self._process.pid, self.limits)
        try:
            with guard:
                yield wire
        except (EOFError, OSError, ValueError) as error:
            how = guard.reason or f"ended its process ({self._end()})"
            self.close()
            if isinstance(error, ValueError) and not guard.reason:
                how = f"disturbed the messages of its process ({error})"
            raise DetectorError(f"{self.name}.{what} {how}") from None
        except BaseException:
            self.close()
            raise

    def _end(self) -> str:
        assert self._process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return _how(self._process.wait(timeout=2))
        return "it closed the connection"


class _Guard(threading.Thread):
    """Ends a detector's processes once they have taken too much time or memory, and says which."""

    def __init__(self, pid: int, limits: Limits) -> None:
        super().__init__(daemon=True)
        self.reason = ""
        self._pid, self._limits, self._over = pid, limits, threading.Event()
        self._until = time.monotonic() + 60 * limits.minutes

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(POLL):
            tree = _tree(self._pid)
            if time.monotonic() > self._until:
                self.reason = f"took longer than {self._limits.minutes:g} minutes; allowed by limits.minutes"
            elif (taken := _memory(tree, self._limits.gigabytes)) > self._limits.gigabytes:
                self.reason = (f"took {taken:.1f} GiB of memory; allowed by limits.gigabytes: "
                               f"{self._limits.gigabytes:g}")
            if self.reason:
                for process in tree:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                return


def _passed_on(said: IO[bytes]) -> None:
    """Put what a detector prints on standard error, up to a limit."""
    left = MOST_PRINTED
    with said:
        while data := said.read(1 << 16):
            if left > 0:
                sys.stderr.write(data[:left].decode(errors="replace"))
            left -= len(data)


def _tree(pid: int) -> list[psutil.Process]:
    """A process and all that come from it."""
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    return []


def _memory(tree: list[psutil.Process], limit: float) -> float:
    """GiB that processes take, where that may be above the limit without what they share with one another."""
    taken = 0.0
    for exactly in (False, True):  # what is shared takes long to tell
        taken = 0.0
        for process in tree:
            with contextlib.suppress(psutil.Error):
                taken += (process.memory_full_info().uss if exactly else process.memory_info().rss) / 2**30
        if taken <= limit:
            break
    return taken


def _sent(detector: Any) -> np.ndarray:
    import cloudpickle

    try:
        return np.frombuffer(cloudpickle.dumps(detector), np.uint8)
    except Exception as error:
        raise DetectorError(f"{type(detector).__name__} cannot be sent to a process of its own "
                            f"({type(error).__name__}: {error}); isolation=none keeps it in this one") from error


def _how(code: object) -> str:
    """What an exit code says."""
    if isinstance(code, int) and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"
