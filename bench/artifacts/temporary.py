"""Files and folders under way, which killed processes leave behind: told from those that are being written, and swept.

Whoever writes one holds a lock of the system's (flock) on it, which ends with the process, by kill -9 too. What is not
held is nobody's. Where there are no such locks (Windows, some network drives) nothing is swept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ENDING = ".bench-tmp"
LOCK = ".bench-lock"  # of locks, see bench.artifacts.files.locked
_NAME = 80  # characters of a name that are kept in that of its temporary file
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def temporary(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """A new empty file or folder beside ``path``, to be renamed to it; what is left of it in the end is removed.

    What killed processes have left in this place is swept first. Raises OSError.
    """
    sweep(path.parent)
    while True:
        name = {"dir": path.parent, "prefix": f".{path.name[:_NAME]}.", "suffix": ENDING}
        if folder:
            new = Path(tempfile.mkdtemp(**name))  # type: ignore[call-overload]
        else:
            handle, made = tempfile.mkstemp(**name)  # type: ignore[call-overload]
            os.close(handle)
            new = Path(made)
        held = _hold(new, wait=True)  # for who may be about to sweep it
        if new.exists():
            break
        _let_go(held)  # swept by another process before it was held
    try:
        yield new
    finally:
        _remove(new)
        _let_go(held)


def sweep(folder: Path) -> None:
    """Remove the temporary files, folders and locks in a folder that no living process holds."""
    try:
        left = [entry.name for entry in os.scandir(folder)
                if entry.name.startswith(".") and entry.name.endswith((ENDING, LOCK))]
    except OSError:
        return
    for name in left:
        held = _hold(folder / name)
        if held is not None:
            _remove(folder / name)
            _let_go(held)


def _hold(path: Path, wait: bool = False) -> int | None:
    """Take the lock on a file or folder; None if it is somebody's who is not waited for, or cannot be had."""
    if fcntl is None:
        return None
    try:
        handle = os.open(path, _OPEN)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(handle)
        return None
    except BaseException:
        os.close(handle)
        raise
    return handle


def _let_go(held: int | None) -> None:
    if held is not None:
        os.close(held)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
