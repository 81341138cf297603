"""Files that are whole or not there: atomic writes, hashes, locks."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from bench.errors import BenchError


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that at any moment it holds either all of the old or all of the new content.

    Raises BenchError if the place cannot be written or is full; then nothing is left behind.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise BenchError(f"cannot write {path}: {error.strerror or error}") from None


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; not-a-number is refused."""
    write_atomic(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_bytes(path: Path) -> bytes:
    """A file's content, or a BenchError that names it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or a BenchError that names the file."""
    try:
        value = json.loads(read_bytes(path))
    except ValueError:
        raise BenchError(f"{path} is corrupt: it is not JSON") from None
    if not isinstance(value, dict):
        raise BenchError(f"{path} is corrupt: it is not a JSON object")
    return value


def sha256(data: bytes) -> str:
    """Hex digest."""
    return hashlib.sha256(data).hexdigest()


def config_hash(config: Any) -> str:
    """12 hex digits that name a configuration, whatever the order of its keys."""
    return sha256(json.dumps(config, sort_keys=True, allow_nan=False).encode())[:12]


@contextlib.contextmanager
def locked(path: Path, wait: float = 0, say: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Hold ``path``.lock; BenchError if somebody else does for longer than ``wait`` seconds (-1: wait for ever).

    Whoever has to wait is told by ``say``. Freed even by kill -9.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise
            say(f"another run is writing {path}: waiting for it")
            lock.acquire(timeout=wait)
    except Timeout:
        raise BenchError(f"another run is writing {path}; wait for it, or choose another place with out=DIR") from None
    except OSError as error:
        raise BenchError(f"cannot write {path}: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()
