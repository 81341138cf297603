"""A store that machines share: teams, results and scores, by names that have the hash of all that they depend on.

An object is the files of one thing, in one piece. It is created where there is none and never changed after, so that
nobody sees half of one, and two that make the same thing end with the same bytes: those of the first. Who makes
something holds a lease meanwhile, that others see being renewed. There are no locks: a store is a folder, of a network
drive too, or whatever fsspec opens and creates objects in without replacing any (s3fs, gcsfs, adlfs).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import interrupts
from bench.artifacts.files import write_atomic
from bench.artifacts.objects import LEASES, Bucket, Folder, Objects
from bench.errors import BenchError

ENDINGS = ("safetensors", "curves.json", "npz", "json")  # of an object's files, in the order that they are written in
BEATS = 4  # renewals of a lease in the time after which it expires
BUSY = "being made elsewhere"


class Busy(BenchError):
    """Something is being made elsewhere, and is not to be waited for."""


class Alone:
    """No store: whatever is not here is to be made here."""

    def fetch(self, base: Path) -> bool:  # noqa: ARG002
        return False

    def offer(self, base: Path) -> bool:  # noqa: ARG002
        return True

    def publish(self, base: Path) -> bool:  # noqa: ARG002
        return False

    def agree(self, base: Path) -> None:
        pass

    @contextlib.contextmanager
    def claimed(self, base: Path, say: Callable[[str], None]) -> Iterator[bool]:  # noqa: ARG002
        yield True


class Shared(Alone):
    """A store. What is in it is named by its files without endings, FOLDER/NAME of wherever they are here.

    Parameters
    ----------
    where : a folder, or a URL.
    seconds : after which a lease expires that nobody has renewed, by the clock of who watches it.
    waits : whether what is being made elsewhere is waited for, or left, by :class:`Busy`.
    """

    def __init__(self, where: str, seconds: float, waits: bool) -> None:
        self.where, self._seconds, self._waits = where, seconds, waits
        self._objects: Objects = Bucket(where) if "://" in where else Folder(Path(where).expanduser())
        self._agreed: set[str] = set()

    def fetch(self, base: Path) -> bool:
        """Whether the files are here: they were, or the store has them, and now they are."""
        return _present(base) or self._take(base)

    def _take(self, base: Path) -> bool:
        """Write the store's files over whatever is here; False if it has none."""
        data = self._ask(self._objects.get, _name(base))
        if data is None:
            return False
        for ending, content in self._unpacked(base, data).items():
            write_atomic(_file(base, ending), content)
        self._made(base)
        return True

    def offer(self, base: Path) -> bool:
        """Put the files into the store; False if it has some of this name."""
        first = self._ask(self._objects.create, _name(base), _packed(base))
        self._made(base)
        return first

    def _made(self, base: Path) -> None:
        """Remove the leases on what the store has: who made it may have been killed before it could let go."""
        for name in self._ask(self._objects.names, folder := f"{LEASES}{_name(base)}"):
            self._ask(self._objects.delete, f"{folder}/{name}")

    def publish(self, base: Path) -> bool:
        """Put the files into the store, or take its own in their place (True): everybody has those that were there
        first."""
        return not self.offer(base) and self._take(base)

    def agree(self, base: Path) -> None:
        """See that the team that is here is the store's, which has it from now on. Raises BenchError if it has
        another."""
        if _name(base) in self._agreed or self.offer(base):
            self._agreed.add(_name(base))
            return
        data = self._ask(self._objects.get, _name(base))
        weights = _file(base, ENDINGS[0])
        if data is not None and self._unpacked(base, data).get(ENDINGS[0]) != weights.read_bytes():
            raise BenchError(f"{base.name} in {base.parent} is another team than that of {self.where}; remove one of "
                             "them")
        self._agreed.add(_name(base))

    @contextlib.contextmanager
    def claimed(self, base: Path, say: Callable[[str], None]) -> Iterator[bool]:
        """Whether these files are to be made here, and held for that within: nobody else makes them meanwhile. If not,
        they are here.

        What is being made elsewhere is waited for, or raises Busy.
        """
        lease = None if self.fetch(base) else self._taken(base, say)
        if lease is None:
            yield False
            return
        over = threading.Event()
        beating = threading.Thread(target=self._renew, args=(lease, over), daemon=True)
        beating.start()
        try:
            yield not self.fetch(base)  # somebody may have been done just before the lease was taken
        finally:
            over.set()
            beating.join()
            with contextlib.suppress(BenchError):  # it expires
                self._let_go(lease)

    def _taken(self, base: Path, say: Callable[[str], None]) -> Lease | None:
        """A lease on something; None if it has come in the meantime.

        The leases of a thing are numbered. Whoever has seen the last one stand still for too long creates the next: of
        several, one does. No two clocks are compared."""
        folder, seen, since, told = f"{LEASES}{_name(base)}", None, time.monotonic(), False
        while not self.fetch(base):
            last = max((int(name) for name in self._ask(self._objects.names, folder) if name.isdigit()),
                       default=-1)
            found = None if last < 0 else (last, self._ask(self._objects.get, f"{folder}/{last}"))
            if found != seen:
                seen, since = found, time.monotonic()
            if found is None or time.monotonic() - since > self._seconds:
                lease = Lease(folder, last + 1)
                if self._ask(self._objects.create, lease.name, lease.content()):
                    return lease
            elif not self._waits:
                raise Busy(f"{base.name} is {BUSY}")
            else:
                if not told:
                    say(f"{base.name} is {BUSY}: waiting for it")
                told = True
                interrupts.poll()
                time.sleep(min(self._seconds / BEATS, 2.0))
        return None

    def _renew(self, lease: Lease, over: threading.Event) -> None:
        """Show that a lease's holder is alive, until it is over or somebody else has taken it for dead."""
        while not over.wait(self._seconds / BEATS):
            with contextlib.suppress(BenchError):  # the network may be back at the next beat
                if not self._mine(lease):
                    return
                self._ask(self._objects.put, lease.name, lease.content())

    def _let_go(self, lease: Lease) -> None:
        if self._mine(lease):
            for number in range(lease.number, -1, -1):
                self._ask(self._objects.delete, f"{lease.folder}/{number}")

    def _mine(self, lease: Lease) -> bool:
        """Whether a lease is still that of this holder."""
        if self._ask(self._objects.get, f"{lease.folder}/{lease.number + 1}") is not None:
            return False
        return lease.holds(self._ask(self._objects.get, lease.name))

    def _ask(self, what: Callable[..., Any], *about: Any) -> Any:
        """What the store answers. Raises BenchError if it does not."""
        try:
            return what(*about)
        except Exception as error:  # each of fsspec's systems has errors of its own
            raise BenchError(f"store={self.where} does not do as it is asked: {type(error).__name__}: "
                             f"{error}") from None

    def _unpacked(self, base: Path, data: bytes) -> dict[str, bytes]:
        """An object's files, by their endings. Raises BenchError if it is none."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                found = {info.filename: info for info in archive.infolist()}
                if not found.keys() <= set(ENDINGS) or any(info.compress_type for info in found.values()):
                    raise zipfile.BadZipFile
                return {ending: archive.read(ending) for ending in ENDINGS if ending in found}
        except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, NotImplementedError, EOFError):
            raise BenchError(f"{_name(base)} in {self.where} is corrupt: it is none of a store's objects; delete it "
                             "to have it made again") from None


class Lease:
    """A lease of this process."""

    def __init__(self, folder: str, number: int) -> None:
        self.folder, self.number, self.name = folder, number, f"{folder}/{number}"
        self._holder = f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}"
        self._beat = 0

    def content(self) -> bytes:
        """What is written: another each time."""
        self._beat += 1
        return json.dumps({"holder": self._holder, "beat": self._beat}).encode()

    def holds(self, content: bytes | None) -> bool:
        """Whether this holder has written it."""
        return content is not None and f'"{self._holder}"'.encode() in content


def _name(base: Path) -> str:
    return f"{base.parent.name}/{base.name}"


def _file(base: Path, ending: str) -> Path:
    return base.with_name(f"{base.name}.{ending}")


def _present(base: Path) -> bool:
    return any(_file(base, ending).exists() for ending in ("json", "npz"))  # which is written last


def _packed(base: Path) -> bytes:
    """The files that are here, as an object: the same bytes of the same files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for ending in ENDINGS:
            if (file := _file(base, ending)).exists():
                archive.writestr(zipfile.ZipInfo(ending), file.read_bytes())
    return made.getvalue()
