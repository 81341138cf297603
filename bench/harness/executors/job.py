"""A job, on the machine that does it. No heavy import: every worker of an engine begins with this."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

import psutil

from bench.children import child

LOOK = 0.5  # seconds between two looks at another process
_running: set[subprocess.Popen[str]] = set()  # of this process


def here() -> functools.partial[str | None]:
    """:func:`command` in the folder that this process is in, to be called on whatever machine."""
    return functools.partial(command, folder=os.getcwd())


def command(words: Sequence[str], folder: str) -> str | None:
    """Run ``python -m bench WORDS`` by this machine's Python in a folder, and wait for it. Returns None, or the last
    line that it wrote to standard error. It ends with this process, however that ends."""
    if not os.path.isdir(folder):
        return f"the folder {folder} is not on this machine"
    with child([sys.executable, "-m", "bench", *words], os.environ | {"PYTHONIOENCODING": "utf-8"}, cwd=folder,
               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", errors="replace") as process:
        _running.add(process)
        try:
            _, said = process.communicate()
        finally:
            _running.discard(process)
    if process.returncode == 0:
        return None
    return (said.strip().splitlines() or [f"ended with exit code {process.returncode}"])[-1]


def following(work: Callable[[Sequence[str]], str | None], parent: int, words: Sequence[str]) -> str | None:
    """Do a job in a process that ends as soon as another one of this machine is gone."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    return work(words)


def _end_with(parent: int) -> None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(parent)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK)
    os._exit(1)


def stop() -> None:
    """Ask all commands that this process runs to end."""
    for process in list(_running):
        process.terminate()
