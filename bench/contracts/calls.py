"""Calls of other people's code: whatever it raises or returns, what is wrong with it is said in one line."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from bench.errors import BenchError, DetectorError

Answer = TypeVar("Answer")
LONGEST = 400  # characters that are shown of what an exception or a value says of itself


class Raised(Exception):
    """What a detector's code raised, in one line: "TYPE: TEXT"."""


def ask(call: Callable[[], Answer]) -> Answer:
    """What a call of a detector's code gives.

    Raises
    ------
    Raised : it raised anything at all, be it SystemExit or a KeyboardInterrupt of its own.
    BenchError : it raised one, which is one line already.
    KeyboardInterrupt : somebody pressed Ctrl-C meanwhile.
    """
    with _noted() as signals:
        try:
            return call()
        except BaseException as error:
            if signals or type(error) in (BenchError, DetectorError):
                raise
            raise Raised(said(error)) from error


@contextmanager
def _noted() -> Iterator[list[int]]:
    """The signals that come meanwhile, which go to their own handlers as well."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # no signal's handler is called in another one
        yield came
        return
    handlers = {number: handler for number in (signal.SIGINT, signal.SIGTERM)
                if callable(handler := signal.getsignal(number))}

    def note(number: int, frame: Any) -> None:
        came.append(number)
        handlers[signal.Signals(number)](number, frame)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def class_name(made: Any) -> str:
    """The name of an object's class."""
    return name_of(type(made))


def name_of(kind: type) -> str:
    """The name of a class, whatever its metaclass makes of names."""
    return str(type.__dict__["__name__"].__get__(kind))


def said(error: BaseException) -> str:
    """An exception in one line: "TYPE: TEXT", or its type alone."""
    text = shown(error, str)
    return f"{class_name(error)}: {text}" if text else class_name(error)


def absent(error: BaseException | None) -> str | None:
    """What to install, if this is the failed import of a package."""
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    package = error.name.split(".")[0]
    return f"it needs the package {package}, which is not installed: pip install {package}"


def shown(value: Any, of: Callable[[Any], str] = repr) -> str:
    """A value's text in one line, even if it cannot say what it is."""
    try:
        text = " ".join(str(of(value)).split())
    except Exception as error:
        return f"an object of type {class_name(value)}, whose {of.__name__} raises {class_name(error)}"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def score_array(returned: Any) -> np.ndarray:
    """What ``score`` returned, as an array of its own: real numbers, nan where they are masked.

    Raises DetectorError, "returned ...", if it is nothing of the kind.
    """
    kind = class_name(returned)
    try:
        masked = ask(lambda: np.ma.getmaskarray(returned).any() if isinstance(returned, np.ma.MaskedArray) else False)
        scores = ask(lambda: np.ma.filled(returned.astype(float), np.nan) if masked else np.array(np.asarray(returned)))
    except Raised as error:
        raise DetectorError(f"returned an object of type {kind} that is no array of numbers ({error})") from error
    if not scores.shape:
        raise DetectorError(f"returned shape () (an object of type {kind}); expected an array of numbers")
    if scores.dtype.kind not in "iuf":
        raise DetectorError(f"returned {scores.dtype}; expected real numbers")
    return scores
