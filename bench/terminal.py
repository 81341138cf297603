"""Standard output and standard error that no run is lost to: symbols that they cannot show are replaced by others, and
where they are closed, broken or full, the work goes on without them."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import unicodedata
from typing import Any, TextIO

# What NFKD does not take apart; one character each, so that tables stay in line.
PLAIN = str.maketrans({"↑": "^", "↓": "v", "→": ">", "←": "<", "…": ".", "•": "*", "·": "*",
                       "━": "-", "╸": "-", "╺": "-", "─": "-", "│": "|", "┃": "|", "—": "-"})
DEGRADED = "bench.degraded"


def _degraded(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that an encoding has not: their nearest in ASCII, or a question mark."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = error.object[error.start: error.end].translate(PLAIN)
    letters = (unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode() for letter in shown)
    return "".join(letter[:1] or "?" for letter in letters), error.end


codecs.register_error(DEGRADED, _degraded)


class _Patient(io.RawIOBase):
    """Passes bytes on as long as that is possible; ``failed`` is why it was not."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.failed: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if self.failed is None:
            try:
                return self.raw.write(data)
            except OSError as error:
                self.failed = error
        return len(data)

    def fileno(self) -> int:
        return self.raw.fileno()

    def isatty(self) -> bool:
        return self.raw.isatty()


def settle() -> None:
    """Make the process's standard streams such ones; to be called once, before anything is opened."""
    # Whatever is opened next would otherwise get the number of a stream that the process was started without.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout, sys.stderr = _settled(sys.stdout), _settled(sys.stderr)


def _settled(stream: TextIO | None) -> TextIO:
    raw: Any
    if stream is None:
        raw, encoding = open(os.devnull, "wb", buffering=0), "utf-8"  # noqa: SIM115
    else:
        raw, encoding = getattr(stream.buffer, "raw", stream.buffer), stream.encoding  # the latter with python -u
    return io.TextIOWrapper(io.BufferedWriter(_Patient(raw)), encoding, DEGRADED, line_buffering=True)


def ended(code: int) -> int:
    """The process's exit code, from its command's: another one if standard output did not take all that was said.

    What was measured is in its files all the same.
    """
    with contextlib.suppress(ValueError):  # closed
        sys.stdout.flush()
    failed = sys.stdout.buffer.raw.failed if hasattr(sys.stdout.buffer, "raw") else None
    if failed is None or code:
        return code
    if isinstance(failed, BrokenPipeError):  # "| head": nobody wants to read on
        return 141
    print(f"error: cannot write to standard output: {failed.strerror}", file=sys.stderr)
    return 2


def say(text: str) -> None:
    """Print a line, whatever standard output can show."""
    if sys.stdout is not None:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        print(text.encode(encoding, DEGRADED).decode(encoding))
