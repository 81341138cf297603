"""Files that are whole or not there: atomic writes, hashes, locks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout, UnixFileLock

from bench.artifacts.reading import read_bytes, read_json
from bench.artifacts.temporary import LOCK, sweep, temporary
from bench.errors import BenchError

__all__ = ["config_hash", "locked", "read_bytes", "read_json", "sha256", "unwritable", "write_atomic", "write_json"]

MOMENT = 0.5  # seconds; whoever sweeps a folder holds each lock in it for much less


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that at any moment it holds either all of the old or all of the new content.

    Raises BenchError if the place cannot be written or is full; then nothing is left behind.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary(path) as new:
            with open(new, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(new, 0o644)
            os.replace(new, path)
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        raise unwritable(path, error) from None


def unwritable(path: Path, error: Exception) -> BenchError:
    """The error for a place that the system does not let us write."""
    return BenchError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; not-a-number is refused."""
    write_atomic(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def config_hash(config: Any) -> str:
    """12 hex digits that name a configuration, whatever the order of its keys."""
    return sha256(json.dumps(config, sort_keys=True, allow_nan=False).encode())[:12]


@contextlib.contextmanager
def locked(path: Path, wait: float = 0, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold a lock beside ``path``; BenchError if somebody else does for longer than ``wait`` seconds (-1: for ever).

    Whoever has to wait is told by ``say``. Freed even by kill -9; the file is removed with the lock, and what killed
    processes have left in the folder before.
    """
    lock = FileLock(path.with_name(f".{path.name}{LOCK}"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent)
        try:
            lock.acquire(timeout=MOMENT, poll_interval=MOMENT / 20)
        except Timeout:
            if not wait:
                raise
            say(f"another run is writing {path}: waiting for it")
            lock.acquire(timeout=wait)
    except Timeout:
        raise BenchError(f"another run is writing {path}; wait for it, or choose another place with out=DIR") from None
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from None
    try:
        yield
    finally:
        if isinstance(lock, UnixFileLock):  # who waits for it sees that its file is gone, and starts over
            with contextlib.suppress(OSError):
                os.unlink(lock.lock_file)
        lock.release()
