"""The process that a detector runs in: it holds public arrays, the delivered networks if the detector needs them, and
nothing else.

Three generations, so that nothing is remembered that should not be. The first makes the detector. It forks the second,
which fits it. That one forks the third anew for every batch: a fitted detector that has scored nothing yet, that can
write no file, and that is gone after its answer. Whichever generation is the youngest reads the next request.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import psutil

from bench.contracts import Episodes, besides, needed
from bench.errors import BenchError
from bench.harness.host import as_scores, called, usable
from bench.harness.wire import Wire, unpacked

SUBREAPER, DEATH_SIGNAL, NO_NEW_PRIVILEGES = 36, 1, 38  # Linux's prctl.h
LANDLOCK_CREATE, LANDLOCK_RESTRICT, LANDLOCK_VERSION = 444, 446, 1  # its system calls, and a flag of the first
CAPABILITY_VERSION, PTRACE, ADMIN, PERFMON = 0x20080522, 19, 21, 38  # linux/capability.h
DEVICES = 1 << 6 | 1 << 11  # linux/landlock.h: making devices, which no detector does
CHANGES = 0x7FF0  # making whatever there is in folders, removing, moving and emptying it
TCP, SOCKETS_AND_SIGNALS = 3, 3
LONGEST = 2_000  # characters of what an error says

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]  # a header, and arrays

_fork, _exit, _wait = os.fork, os._exit, os.waitpid  # before a detector's code could put its own in their place


def main() -> None:
    """Serve one detector until the run closes the pipe."""
    wire = Wire(os.dup(0), os.dup(1))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what a detector prints is no message
    die_with_parent()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1)  # whoever a detector leaves behind can still be found and ended
        give_up_capabilities()
        landlock(DEVICES)  # with it, no process outside these can be looked into, or sent a signal
    try:
        request, arrays = wire.receive()
        detector = _answered(wire, request, lambda: _made(request, arrays),
                             lambda made: _about(made, request["role"]))
        while detector is not None:
            _generation(wire, *wire.receive(), lambda request, arrays: _fitting(wire, detector, request, arrays))
    except (EOFError, BrokenPipeError):
        pass


def _made(request: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """The detector that a configuration node describes, or an object that was handed over."""
    if "object" in arrays:
        import cloudpickle

        detector = cloudpickle.loads(arrays["object"].tobytes())
    else:
        from omegaconf import OmegaConf

        from bench.harness.build import build
        from bench.harness.gate import import_classes

        import_classes(request["node"], frozenset(request["packages"]))
        detector = build(OmegaConf.create(request["node"]), request["role"])
    if "torch" in sys.modules:
        from bench.marl.process import tune

        tune()
    return detector


def _about(detector: Any, role: str) -> Answer:
    if role == "detector":
        usable(detector)
        return {"needs": needed(detector)}, {}
    from bench.harness.model_hosts import described

    return dict(zip(("kind", "learns", "needs"), described(detector), strict=True)), {}


def _generation(wire: Wire, request: dict[str, Any], arrays: dict[str, np.ndarray],
                serve: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> None:
    """Let a child of this process serve the request, and say when and how it has ended."""
    child = _fork()
    if child == 0:
        die_with_parent()
        try:
            serve(request, arrays)
        except (EOFError, BrokenPipeError):
            pass
        finally:
            _exit(0)
    arrays.clear()
    _, status = _wait(child, 0)
    wire.send({"id": request["id"], "ended": os.waitstatus_to_exitcode(status)})


def _fitting(wire: Wire, detector: Any, request: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Fit the detector, and have batches scored until the run says that it is over."""
    def fit() -> None:
        if request["do"] == "fit":
            also = besides(detector, unpacked(request["team"], arrays).policies()) if "team" in request else {}
            called(detector, "fit", _episodes(arrays), **also)
        elif request["teams"]:
            detector.fit([unpacked(about, arrays) for about in request["teams"]], arrays["labels"])

    _answered(wire, request, fit, lambda _: ({}, {}))
    arrays.clear()
    _end_others()
    while True:
        following, batch = wire.receive()
        if following["do"] == "end":
            return
        _generation(wire, following, batch, lambda request, arrays: _scoring(wire, detector, request, arrays))


def _scoring(wire: Wire, detector: Any, request: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Score a batch of battles, or judge a team."""
    if request["do"] == "judge":
        _answered(wire, request, lambda: _judged(detector, request, arrays), lambda answer: ({"answer": answer}, {}))
        return
    seal()
    episodes = _episodes(arrays)
    _answered(wire, request, lambda: as_scores(detector, episodes), lambda scores: ({}, {"scores": scores}))


def _judged(detector: Any, request: dict[str, Any], arrays: dict[str, np.ndarray]) -> float:
    from bench.envs import make_battles
    from bench.harness.model_hosts import described

    team = unpacked(request["team"], arrays)
    answer = getattr(detector, described(detector)[0])(
        team, make_battles(team.spec), _episodes(arrays) if "mask" in arrays else None)
    try:
        return float(answer)
    except (TypeError, ValueError):
        return type(answer).__name__  # type: ignore[return-value]  # which is no number either


def _answered(wire: Wire, request: dict[str, Any], work: Callable[[], Any],
              answer: Callable[[Any], Answer]) -> Any:
    """Do the work and send what the answer makes of it; or send what went wrong, and end this process."""
    try:
        result = work()
        header, arrays = answer(result)
    except BaseException as error:
        said = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        wire.send({"id": request["id"], "error": said[:LONGEST], "ours": isinstance(error, BenchError)})
        _exit(0)
    wire.send({"id": request["id"], **header}, arrays)
    return result


def _episodes(arrays: dict[str, np.ndarray]) -> Episodes:
    columns: dict[str, Any] = {f.name: arrays[f.name] for f in fields(Episodes) if f.name in arrays}
    return Episodes(**columns).public()


def _end_others() -> None:
    """End whatever fitting has left running: a server, say, that could remember for those who score."""
    for process in psutil.Process(os.getppid()).children(recursive=True):
        if process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                process.kill()


def die_with_parent() -> None:
    """End this process when the one that has started it ends, however that comes (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)


def seal() -> None:
    """From here on this process can write into no file, and on Linux make and remove none and call nobody: what it
    learns from one batch cannot reach the process that scores the next."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        landlock(CHANGES, TCP)


def give_up_capabilities() -> None:
    """Give up those of root's rights by which other processes can be looked into all the same (Linux)."""
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        for i in range(3):  # effective, permitted, inheritable
            sets[i] &= ~(1 << PTRACE | 1 << ADMIN)
            sets[3 + i] &= ~(1 << PERFMON - 32)
        libc.capset(header, sets)


def landlock(files: int, network: int = 0) -> None:
    """Give up these rights for good, and that of sending signals to processes that keep them (Linux's Landlock).

    Its rule for debuggers holds as well: the memory and the environment of such processes cannot be read any more.
    Older kernels know a part of it or nothing; then nothing is given up.
    """
    libc = ctypes.CDLL(None)
    version = libc.syscall(LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION)
    known = files & (0x1FFF | (version >= 2) << 13 | (version >= 3) << 14)
    rules = [known, network, SOCKETS_AND_SIGNALS][:1 + (version >= 4) + (version >= 6)]
    packed = struct.pack(f"{len(rules)}Q", *rules)
    handle = libc.syscall(LANDLOCK_CREATE, packed, len(packed), 0) if version >= 1 else -1
    if handle >= 0:
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        libc.syscall(LANDLOCK_RESTRICT, handle, 0)
        os.close(handle)
