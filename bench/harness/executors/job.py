"""A job, on the machine that does it. No heavy import: every worker of an engine begins with this."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Sequence

from bench.children import child

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


def stop() -> None:
    """Ask all commands that this process runs to end."""
    for process in list(_running):
        process.terminate()
