"""What a detector's processes give up for good, so that they can neither look into others nor leave notes for them."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import signal
import stat
import struct
import sys
from collections.abc import Collection
from pathlib import Path

SUBREAPER, DEATH_SIGNAL, NO_NEW_PRIVILEGES = 36, 1, 38  # Linux's prctl.h
LANDLOCK_CREATE, LANDLOCK_RESTRICT, LANDLOCK_VERSION = 444, 446, 1  # its system calls, and a flag of the first
CAPABILITY_VERSION, PTRACE, ADMIN, PERFMON = 0x20080522, 19, 21, 38  # linux/capability.h
DEVICES = 1 << 6 | 1 << 11  # linux/landlock.h: making devices, which no detector does
CHANGES = 0x7FF0  # making whatever there is in folders, removing, moving and emptying it
TCP, SOCKETS_AND_SIGNALS = 3, 3
READ_WRITE, PRIVATE, FIXED, ANONYMOUS = 3, 2, 16, 32  # sys/mman.h of Linux
MEMORY = ("/dev/zero", "/dev/shm", "/memfd:", "/SYSV")  # what is called so is no file  # noqa: S108


def die_with_parent() -> None:
    """End this process when the one that has started it ends, however that comes (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)


def close_off() -> None:
    """From here on no process but its own children can be looked into or sent a signal, and whoever these leave behind
    can still be found (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SUBREAPER, 1)
        give_up_capabilities()
        landlock(DEVICES)


def seal(keep: Collection[int]) -> None:
    """From here on this process can write into no file, and on Linux make and remove none, call nobody and share no
    memory: what it learns cannot reach the process that is asked next. Of open files, it has standard ones, those to
    ``keep``, and those that can only be read.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        for descriptor in {int(name) for name in os.listdir("/proc/self/fd")}.difference((0, 1, 2, *keep)):
            with contextlib.suppress(OSError):  # the one that has listed them
                if not _only_read(descriptor):
                    os.close(descriptor)
        _own_memory()
        landlock(CHANGES, TCP)


def _only_read(descriptor: int) -> bool:
    """Whether this is a file on a disk that has been opened for reading."""
    writing = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    return stat.S_ISREG(os.fstat(descriptor).st_mode) and not writing


def _own_memory() -> None:
    """Put copies in the place of memory that is shared with other processes."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.argtypes = ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long
    libc.mmap.restype = ctypes.c_void_p
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        span, rights, _, _, _, *name = line.split(maxsplit=5)
        shared = rights[3] == "s" and (rights[1] == "w" or "".join(name).startswith(MEMORY))
        if shared and rights[0] == "r":
            start, end = (int(place, 16) for place in span.split("-"))
            content = ctypes.string_at(start, end - start)
            libc.mmap(start, end - start, READ_WRITE, PRIVATE | FIXED | ANONYMOUS, -1, 0)
            ctypes.memmove(start, content, len(content))


def give_up_capabilities() -> None:
    """Give up those of root's rights by which other processes can be looked into all the same (Linux)."""
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets) == 0:
        for i in range(3):  # effective, permitted, inheritable
            sets[i] &= ~(1 << PTRACE | 1 << ADMIN)
            sets[3 + i] &= ~(1 << PERFMON - 32)
        libc.capset(header, sets)


def landlock_version() -> int:
    """Of this kernel's Landlock; below 1 where there is none (Linux)."""
    return ctypes.CDLL(None).syscall(LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION)


def landlock(files: int, network: int = 0) -> None:
    """Give up these rights for good, and that of sending signals to processes that keep them (Linux's Landlock).

    Its rule for debuggers holds as well: the memory and the environment of such processes cannot be read any more.
    Older kernels know a part of it or nothing; then nothing is given up.
    """
    libc, version = ctypes.CDLL(None), landlock_version()
    known = files & (0x1FFF | (version >= 2) << 13 | (version >= 3) << 14)
    rules = [known, network, SOCKETS_AND_SIGNALS][:1 + (version >= 4) + (version >= 6)]
    packed = struct.pack(f"{len(rules)}Q", *rules)
    handle = libc.syscall(LANDLOCK_CREATE, packed, len(packed), 0) if version >= 1 else -1
    if handle >= 0:
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        libc.syscall(LANDLOCK_RESTRICT, handle, 0)
        os.close(handle)
