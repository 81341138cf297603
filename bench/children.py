"""Processes that this one starts. None outlives it, however it ends.

A child's standard input is a pipe whose other end its parent alone holds. The system closes that end when the parent is
gone, by kill -9 too; the child waits for this in a thread and ends. No heavy import: children begin with this.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

FOLLOWS = "BENCH_FOLLOWS_PARENT"  # in the environment of a child


@contextlib.contextmanager
def child(command: Sequence[str], environment: Mapping[str, str] = os.environ, **options: Any) -> Iterator:
    """A running process (:class:`subprocess.Popen`), killed if it still runs in the end."""
    ours, theirs = None, None
    try:
        theirs, ours = os.pipe()
        process = subprocess.Popen(command, stdin=theirs, env={**environment, FOLLOWS: "1"}, **options)  # noqa: S603
    except BaseException:
        if ours is not None:
            os.close(ours)
        raise
    finally:
        if theirs is not None:
            os.close(theirs)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def follow_parent() -> None:
    """In a process that was started by :func:`child`: end as soon as the parent is gone."""
    if os.environ.pop(FOLLOWS, None) is not None:
        threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    while os.read(0, 1):  # nothing is ever written: this returns at the end of the pipe
        pass
    os._exit(1)
