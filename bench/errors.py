"""Errors meant for people: one line that says what is wrong, what is allowed and what was probably meant."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator

LONGEST = 120  # characters of a value that an error shows


class BenchError(Exception):
    """A mistake in what the user gave, or in the world around the program; printed as one line, exit code 2."""


class DetectorError(BenchError):
    """A detector broke its contract: shape, NaN, labels, an exception of its own."""


def shown(value: object) -> str:
    """A value from anywhere, short and fit for a terminal."""
    text = str(value)
    text = text if text.isprintable() else ascii(text)[1:-1]
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


class UnfitState(BenchError):
    """What a run under way has written down is not what the run needs to go on."""


@contextlib.contextmanager
def fitting() -> Iterator[None]:
    """Taking up what was written down: whatever does not fit is an UnfitState."""
    try:
        yield
    except (KeyError, ValueError, TypeError, RuntimeError, IndexError, OverflowError, AttributeError) as error:
        raise UnfitState(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from None


def unknown(kind: str, value: object, allowed: Iterable[object]) -> BenchError:
    """The error for a name that is not among the allowed ones, with the nearest of them.

    >>> str(unknown("map", "8n", ["3m", "8m"]))
    "unknown map '8n'; allowed: 3m, 8m (did you mean '8m'?)"
    """
    names = [str(name) for name in allowed]
    text = str(value)
    near = difflib.get_close_matches(text[:LONGEST], names, n=1, cutoff=0.5)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return BenchError(f"unknown {kind} '{shown(text)}'; allowed: {', '.join(names)}{hint}")
