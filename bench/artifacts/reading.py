"""Files of strangers, read within limits: whatever is in them costs one BenchError that names the file.

How large a file is, is known before it is read, and how large its content is before it is inflated.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import warnings
import zlib
from pathlib import Path
from typing import Any, TypeVar

import psutil
from pydantic import TypeAdapter, ValidationError

from bench.errors import BenchError

MIB = 2**20
JSON = 256 * MIB  # descriptions and results have some kB, curves some MB
DEEPEST = 64  # of JSON: results have 10 levels
WHOLE = 2**63  # whole numbers in JSON are smaller
SHARE = 4  # what is inflated may take a quarter of the free memory: tables and arrays are copied while they are read
T = TypeVar("T")

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_ODD = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")  # a NUL, or half of a character: neither can be in a name or a page


def room() -> int:
    """Bytes that a file's content may take, of the memory that is free now."""
    return psutil.virtual_memory().available // SHARE


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """A file's content, or a BenchError that names it: if it is no file (a folder, a pipe, a device), or has more than
    ``limit`` bytes, by default what there is room for."""
    limit = room() if limit is None else limit
    try:
        _check(path, os.stat(path), limit)
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:
            _check(path, os.fstat(file.fileno()), limit)  # of what has been opened
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # a name with a NUL byte is a ValueError
        raise BenchError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > limit:
        raise too_large(path, len(data), limit)
    return data


def _check(path: Path, found: os.stat_result, limit: int) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise BenchError(f"cannot read {path}: Is a directory; a file is needed")
    if not stat.S_ISREG(found.st_mode):
        raise BenchError(f"cannot read {path}: it is no file but a pipe or a device")
    if found.st_size > limit:
        raise too_large(path, found.st_size, limit)


def too_large(path: Path, size: int, limit: int) -> BenchError:
    """The error for content that is more than may be."""
    return BenchError(f"{path} is too large: {size / 1e6:,.1f} MB; allowed here: {limit / 1e6:,.1f} MB (tables and "
                      "records may fill a quarter of the free memory)")


def corrupt(path: Path | str, why: str) -> BenchError:
    """The error for content that is not what it should be."""
    return BenchError(f"{path} is corrupt: {why}")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, or a BenchError that names the file."""
    return parse_json(read_bytes(path, JSON), path)


def parse_json(data: bytes, path: Path) -> dict[str, Any]:
    """The JSON object in a file's content: finite, not deep, no name twice in an object, whole numbers of 64 bits."""
    deepest = level = 0
    for bracket in _STRING.sub(b"", data).translate(None, _NO_BRACKET):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    if deepest > DEEPEST:
        raise corrupt(path, f"its JSON is nested {deepest} deep; allowed: {DEEPEST}")
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_finite, parse_float=_finite,
                           parse_int=_whole)
        if _ODD.search(data):
            plain = json.dumps(value, ensure_ascii=False).encode()  # fails for half a character
            if b"\\u0000" in plain:
                raise corrupt(path, "it holds a NUL character")
    except _Odd as error:
        raise corrupt(path, str(error)) from None
    except UnicodeError:
        raise corrupt(path, "it is not UTF-8") from None
    except ValueError:
        raise corrupt(path, "it is not JSON") from None
    if not isinstance(value, dict):
        raise corrupt(path, "it is not a JSON object")
    return value


class _Odd(Exception):
    """JSON that Python would take and others would not."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Odd(f"it has '{next(name for name in names if names.count(name) > 1)[:80]}' twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if value - value != 0:
        raise _Odd(f"the number {text[:40]} is not finite")
    return value


def _whole(text: str) -> int:
    if len(text) > 20 or abs(int(text)) >= WHOLE:
        raise _Odd(f"the number {text[:40]} is too large")
    return int(text)


def valid(adapter: TypeAdapter[T], value: Any, path: Path, kind: str, advice: str = "") -> T:
    """A JSON value as what ``adapter`` describes; BenchError if it is none. No type is made of another: no 1 of "1"."""
    try:
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:200]
        raise BenchError(f"{path} is no {kind}: {where}: {first['msg'][:200]}{advice}") from None


def inflated(path: Path, limit: int | None = None) -> bytes:
    """The content of a gzip file of one member."""
    limit = room() if limit is None else limit
    inflator = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        data = inflator.decompress(read_bytes(path), limit + 1)
    except zlib.error:
        raise corrupt(path, "it is not gzip") from None
    if len(data) > limit:
        raise BenchError(f"{path} is too large: it inflates to more than {limit / 1e6:,.1f} MB")
    if not inflator.eof or inflator.unused_data:
        raise corrupt(path, "it ends too soon, or goes on behind its end")
    return data


def read_table(path: Path, **options: Any) -> Any:
    """A CSV file as pandas reads it with these options, from UTF-8 text with as many cells in every line."""
    import pandas as pd

    data = read_bytes(path)
    try:
        text = data.decode("utf-8-sig")
        if "\0" in text:
            raise corrupt(path, "it is not CSV: it holds a NUL character")
        header = next(csv.reader(io.StringIO(text[:MIB])), [])
        if len(set(header)) < len(header):
            raise corrupt(path, f"it has the column '{next(n for n in header if header.count(n) > 1)[:80]}' twice")
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines with more cells than the header
            return pd.read_csv(io.StringIO(text), index_col=False, low_memory=False, **options)
    except UnicodeDecodeError:
        raise corrupt(path, "it is not UTF-8") from None
    except (ValueError, OverflowError, csv.Error, pd.errors.ParserWarning) as error:
        raise corrupt(path, f"it is not CSV: {' '.join(str(error).split())[:200]}") from None
