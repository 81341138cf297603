"""Results as sealed JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bench.artifacts.files import read_json, sha256, write_json
from bench.contracts import Result
from bench.errors import BenchError

_RESULT = TypeAdapter(Result)


def write_result(base: Path, result: Result) -> None:
    """Write ``base``.json: the result and the sha256 of its content."""
    content = asdict(result)
    write_json(_file(base), {"sha256": _seal(content), "result": content})


def read_result(base: Path) -> Result | None:
    """The result at ``base``.json, or None if there is none. Raises BenchError if the file is corrupt."""
    file = _file(base)
    if not file.exists():
        return None
    sealed = read_json(file)
    if sealed.get("sha256") != _seal(sealed.get("result")):
        raise BenchError(f"{file} is corrupt: its content is not what its sha256 says; delete it to run again")
    try:
        return _RESULT.validate_python(sealed["result"])
    except ValidationError as error:
        first = error.errors()[0]
        raise BenchError(f"{file} is no result: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _seal(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode())


def _file(base: Path) -> Path:
    return base.with_name(f"{base.name}.json")
