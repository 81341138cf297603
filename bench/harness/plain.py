"""Values from a stranger's file, before anything is made of them: plain ones, bounded, and no more than that."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from bench.errors import BenchError, shown

DEEPEST, MOST, LONGEST, GREATEST = 12, 10_000, 1_000, 2**32  # tables in tables, values, characters, a number
KEY = re.compile(r"(?!_(recursive|convert|partial)_)[A-Za-z_]\w{0,79}", re.ASCII)  # but for what steers Hydra
ANY_KEY = re.compile(r"[^\x00-\x1f]{1,80}")


def require_plain(value: Any, place: str = "", key: re.Pattern[str] = KEY, endless: bool = False) -> None:
    """Raise BenchError unless a value is made of plain ones, not too many, and none that Hydra would read a meaning
    into.

    Parameters
    ----------
    place : where it stands, for errors.
    key : what the names in its tables may be.
    endless : whether numbers may be infinite, or none.
    """
    left, seen = [(place, value, 0)], 0
    while left:
        where, item, depth = left.pop()
        seen += 1
        if depth > DEEPEST or seen > MOST:
            raise BenchError(f"{where} is nested too deeply or holds too much; allowed: {DEEPEST} tables within one "
                             f"another, {MOST:,} values")
        if isinstance(item, list):
            left += [(where, one, depth + 1) for one in item]
        elif isinstance(item, Mapping):
            for name in item:
                if type(name) is not int and not (isinstance(name, str) and key.fullmatch(name)):
                    raise BenchError(f"{where} has a value '{shown(name)}', which cannot be a value's name")
            left += [(f"{where}.{name}".lstrip("."), one, depth + 1) for name, one in item.items()]
        else:
            _require_scalar(item, where, endless)


def _require_scalar(value: Any, where: str, endless: bool) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        if len(value) > LONGEST or not value.isprintable() or "${" in value or value == "???":
            raise BenchError(f"{where} is '{shown(value)}'; allowed are up to {LONGEST:,} printable characters without "
                             "${...}")
    elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        if abs(value) > GREATEST:
            raise BenchError(f"{where} is {shown(value)}; allowed: numbers up to {GREATEST:,}")
    elif not isinstance(value, float) or not endless:
        raise BenchError(f"{where} is {shown(value)}; allowed are finite numbers, text, true, false and null")
