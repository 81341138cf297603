"""The suite in a process of its own: a detector that ends its process still gets its table."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bench.conformance.checks import CHECKS, Outcome, each, unmade
from bench.errors import BenchError, DetectorError


def outcomes_apart(make: Callable[[], Any]) -> list[Outcome]:
    """The outcome of every check of the detector that ``make`` makes; made and checked in a child of this process,
    where there can be one.

    Raises BenchError if the detector is not to be had.
    """
    if not hasattr(os, "fork") or "jax" in sys.modules:  # whose threads a fork would leave behind
        try:
            return list(each(make()))
        except DetectorError as error:
            return unmade(str(error))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _serve(make, writing)
    os.close(writing)
    with open(reading, encoding="utf-8") as lines:
        said = [json.loads(line) for line in lines]
    _, status = os.waitpid(child, 0)
    return _told(said, os.waitstatus_to_exitcode(status))


def _serve(make: Callable[[], Any], writing: int) -> None:
    """In the child: write an outcome a line, and end."""
    def tell(line: Any) -> None:
        os.write(writing, f"{json.dumps(line)}\n".encode())

    end = os._exit  # before a detector's code could put its own in its place
    try:
        for outcome in each(make()):
            tell(asdict(outcome))
    except DetectorError as error:
        tell({"unmade": str(error)})
    except BenchError as error:
        tell({"error": str(error)})
    except BaseException as error:
        tell({"unmade": f"{type(error).__name__}: {error}"})
    sys.stdout.flush()
    end(0)


def _told(said: list[dict[str, Any]], code: int) -> list[Outcome]:
    """What the child's lines tell, and its exit code."""
    last = said[-1] if said else {}
    if "error" in last:
        raise BenchError(last["error"])
    if "unmade" in last:
        return unmade(last["unmade"])
    found = [Outcome(**line) for line in said]
    if len(found) == len(CHECKS):
        return found
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    if not found:
        return unmade(f"it ended its process ({how})")
    first, *others = list(CHECKS)[len(found):]
    return [*found, Outcome(first, "failed", CHECKS[first][1], f"it ended its process ({how})"),
            *(Outcome(name, "not run", CHECKS[name][1], f"see '{first}'") for name in others)]
