"""Where a shared store keeps its objects: a folder, or whatever fsspec opens and creates objects in without replacing
any (s3fs, gcsfs, adlfs)."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from bench.artifacts.temporary import temporary
from bench.errors import BenchError

LEASES = "leases/"  # names of objects that are of no worth once whoever made them is gone


class Objects(Protocol):
    """What a store is to be able to do."""

    def get(self, name: str) -> bytes | None:
        """An object, or None if there is none."""

    def create(self, name: str, data: bytes) -> bool:
        """Make an object, whole at once; False if there is one already, which stays."""

    def put(self, name: str, data: bytes) -> None:
        """Make or replace an object, whole at once."""

    def delete(self, name: str) -> None:
        """Remove an object, if there is one."""

    def names(self, folder: str) -> list[str]:
        """The last parts of the names of the objects in a folder."""


class Folder:
    """Objects as files. What a killed process has left in the folder ``tmp`` the next one of its machine removes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def create(self, name: str, data: bytes) -> bool:
        with self._written(name, data) as new:
            try:
                os.link(new, self._root / name)
            except FileExistsError:  # or an NFS whose answer was lost, and which was asked again
                return os.stat(new).st_nlink > 1
        return True

    def put(self, name: str, data: bytes) -> None:
        with self._written(name, data) as new:
            os.replace(new, self._root / name)

    def delete(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self._root / folder)
        except FileNotFoundError:
            return []

    @contextlib.contextmanager
    def _written(self, name: str, data: bytes) -> Iterator[Path]:
        """A new file with this content, on the same drive as the object is to be."""
        own = self._root / "tmp" / socket.gethostname()  # locks tell who is alive on one machine alone
        for folder in (own, (self._root / name).parent):
            folder.mkdir(parents=True, exist_ok=True)
        with temporary(own / "object") as new:
            with open(new, "wb") as file:
                file.write(data)
                file.flush()
                if not name.startswith(LEASES):  # which need not outlive a power cut
                    os.fsync(file.fileno())
            os.chmod(new, 0o644)
            yield new


class Bucket:
    """Objects of whatever fsspec opens. Raises BenchError for a URL of nothing that is known here."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        try:
            self._system, self._root = url_to_fs(url, use_listings_cache=False)
        except ImportError as error:
            raise BenchError(f"store={url} needs a package that is missing: {error}; for s3:// pip install "
                             "'marl-backdoor-bench[s3]'") from None
        except ValueError as error:
            raise BenchError(f"store={url}: {error}; allowed: a folder, or a URL that fsspec knows") from None

    def get(self, name: str) -> bytes | None:
        try:
            return self._system.cat_file(self._path(name))
        except FileNotFoundError:
            return None

    def create(self, name: str, data: bytes) -> bool:
        try:
            self._system.pipe_file(self._path(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    def put(self, name: str, data: bytes) -> None:
        self._system.pipe_file(self._path(name), data)

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._system.rm_file(self._path(name))

    def names(self, folder: str) -> list[str]:
        try:
            found = self._system.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        return [str(name).rstrip("/").rpartition("/")[2] for name in found]

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"
