"""The process that a detector runs in: it holds public arrays, the delivered networks if the detector needs them, and
nothing else.

Three generations, so that nothing is remembered that should not be. The first makes the detector. It forks the second,
which fits it. That one forks the third, anew for those who must not know what another was asked: a fitted detector
that has scored nothing yet, and that can write no file. Whichever generation is the youngest reads the next request,
until it is told to end.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from pydantic import TypeAdapter

from bench.contracts import EnvSpec, Episodes, besides, episodes_of, needed
from bench.errors import BenchError
from bench.isolation import sealing
from bench.isolation.wire import Wire, unpacked
from bench.protocol.host import as_scores, called, usable

LONGEST = 2_000  # characters of what an error says

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]  # a header, and arrays

_fork, _exit, _wait = os.fork, os._exit, os.waitpid  # before a detector's code could put its own in their place


def main() -> None:
    """Serve one detector until the run closes the pipe."""
    wire = Wire(os.dup(0), os.dup(1))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)  # what a detector prints is no message
    sealing.die_with_parent()
    sealing.close_off()
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

        from bench.build import build, import_classes

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
    from bench.isolation.model_hosts import described

    return dict(zip(("kind", "learns", "needs"), described(detector), strict=True)), {}


def _generation(wire: Wire, request: dict[str, Any], arrays: dict[str, np.ndarray],
                serve: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> None:
    """Let a child of this process serve the request, and say when and how it has ended."""
    child = _fork()
    if child == 0:
        sealing.die_with_parent()
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
    spec = TypeAdapter(EnvSpec | None).validate_python(request.get("spec"))

    def fit() -> None:
        if request["do"] == "fit":
            also = besides(detector, unpacked(request["team"], arrays).policies()) if "team" in request else {}
            called(detector, "fit", _episodes(arrays, spec), **also)
        elif request["teams"]:
            detector.fit([unpacked(about, arrays) for about in request["teams"]], arrays["labels"])

    _answered(wire, request, fit, lambda _: ({}, {}))
    arrays.clear()
    _end_others()
    while True:
        following, batch = wire.receive()
        if following["do"] == "end":
            return
        _generation(wire, following, batch, lambda request, arrays: _scoring(wire, detector, spec, request, arrays))


def _scoring(wire: Wire, detector: Any, spec: EnvSpec | None, request: dict[str, Any],
             arrays: dict[str, np.ndarray]) -> None:
    """Score batches of battles, or judge a team, until the run says that it is over."""
    if request["do"] == "score":
        sealing.seal(keep=wire.files)
    while request["do"] != "end":
        if request["do"] == "judge":
            _answered(wire, request, lambda: _judged(detector, request, arrays),  # noqa: B023
                      lambda answer: ({"answer": answer}, {}))
        else:
            _answered(wire, request, lambda: as_scores(detector, _episodes(arrays, spec)),  # noqa: B023
                      lambda scores: ({}, {"scores": scores}))
        request, arrays = wire.receive()


def _judged(detector: Any, request: dict[str, Any], arrays: dict[str, np.ndarray]) -> float:
    from bench.envs import make_battles
    from bench.isolation.model_hosts import described

    team = unpacked(request["team"], arrays)
    battles = make_battles(team.spec, frozenset(request["trusted"]))
    answer = getattr(detector, described(detector)[0])(
        team, battles, _episodes(arrays, battles.spec) if "mask" in arrays else None)
    try:
        return float(answer)
    except (TypeError, ValueError):
        return type(answer).__name__  # type: ignore[return-value]  # which is no number either


def _answered(wire: Wire, request: dict[str, Any], work: Callable[[], Any],
              answer: Callable[[Any], Answer]) -> Any:
    """Do the work and send what the answer makes of it; or send what went wrong, and end this process. Of those that
    the work has forked, none answers."""
    this = os.getpid()
    try:
        result = work()
        if os.getpid() != this:
            _exit(0)
        header, arrays = answer(result)
    except BaseException as error:
        if os.getpid() != this:
            _exit(0)
        said = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        wire.send({"id": request["id"], "error": said[:LONGEST], "ours": isinstance(error, BenchError)})
        _exit(0)
    wire.send({"id": request["id"], **header}, arrays)
    return result


def _episodes(arrays: dict[str, np.ndarray], spec: EnvSpec | None) -> Episodes:
    return episodes_of(arrays, spec).public()


def _end_others() -> None:
    """End whatever fitting has left running: a server, say, that could remember for those who score."""
    for process in psutil.Process(os.getppid()).children(recursive=True):
        if process.pid != os.getpid():
            with contextlib.suppress(psutil.Error):
                process.kill()
