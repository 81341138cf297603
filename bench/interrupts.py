"""Ctrl-C and SIGTERM: the process ends within seconds, whatever it is doing.

Python runs a signal's handler between two instructions of its own. An exception that it raises inside a callback of C
code (JAX has them) is printed and lost, and inside a long C function (a compilation) it has to wait. So a flag is set,
which play and training poll, and a thread ends the process where that was not enough: files are whole at any moment.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

GRACE = 3.0  # seconds in which the process should have ended by itself
TWICE = 0.2  # seconds; a second Ctrl-C within them is the first one, delivered twice (timeout does that)
CODE = 130
SAID = "interrupted; the same command goes on from what was last written"

_asked = False
_polled = 0


def install() -> None:
    """Handle the signals of this process, but for a Ctrl-C that it was told to ignore (a shell's background job)."""
    handled = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        handled.append(signal.SIGINT)
    for number in handled:
        signal.signal(number, _handle)
    if sys.platform != "win32":  # where select knows pipes
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)  # the system writes each signal's number there at once
        threading.Thread(target=_watch, args=(read,), daemon=True).start()


def asked() -> bool:
    """Whether this process has been told to end."""
    return _asked


def poll() -> None:
    """Raise KeyboardInterrupt if this process has been told to end."""
    if _asked:
        raise KeyboardInterrupt


@contextlib.contextmanager
def polled() -> Iterator[None]:
    """Code that calls :func:`poll` every few milliseconds, and in which no signal raises anything elsewhere."""
    global _polled
    _polled += 1
    try:
        yield
    finally:
        _polled -= 1


def _handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    global _asked
    _asked = True
    if not _polled:
        raise KeyboardInterrupt


def _watch(read: int) -> None:
    """End the process a while after the first signal, or at once at a second Ctrl-C."""
    while not set(os.read(read, 1)) & {signal.SIGINT, signal.SIGTERM}:
        pass
    first = time.monotonic()
    while (left := first + GRACE - time.monotonic()) > 0 and select.select([read], [], [], left)[0]:
        if os.read(read, 1)[0] == signal.SIGINT and time.monotonic() - first > TWICE:
            break
    shown = "\x1b[?25h" if os.isatty(2) else ""  # progress bars hide the cursor
    with contextlib.suppress(OSError):
        os.write(2, f"{shown}{SAID}\n".encode())
    os._exit(CODE)
