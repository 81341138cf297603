"""Results as sealed JSON, and beside them the curves of their rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.artifacts.files import read_json, sha256, write_atomic, write_json
from bench.artifacts.kinds import CURVES, RESULT
from bench.artifacts.reading import valid
from bench.contracts import Curves, Result
from bench.errors import BenchError, unknown


def write_result(base: Path, result: Result) -> None:
    """Write ``base``.json: the result and the sha256 of its content."""
    content = asdict(result)
    write_json(_file(base), {"sha256": _seal(content), "result": content})


def delete_result(base: Path) -> None:
    """Delete the result at ``base``.json, if there is one, and its curves."""
    for file in (_file(base), _file(base, "curves.json")):
        file.unlink(missing_ok=True)


def read_result(base: Path) -> Result | None:
    """The result at ``base``.json, or None if there is none. Raises BenchError if the file is corrupt."""
    return _read(_file(base), "result", RESULT)


def find_result(name: str | int | None, runs: Path) -> tuple[Path, Result]:
    """A result and its file without the ending, by the file's path, or by the name or configuration's hash of a run in
    the folder ``runs``.

    Raises BenchError if there is none, or more than one.
    """
    allowed = f"a result's JSON file, or the name or configuration's hash of a run in {runs}"
    if name is None or not str(name):
        raise BenchError(f"no run is named; allowed: {allowed}")
    name = str(name).removesuffix(".json")  # a hash of digits alone comes as a number
    named = [base for base in (Path(name), runs / name) if base.name and _file(base).is_file()]
    known = [file.with_name(file.name.removesuffix(".json")) for file in sorted(runs.glob("*.json"))
             if not file.name.endswith(".curves.json")]
    found = named[:1] or [base for base in known if base.name.endswith(f"-{name}")]
    if not found and Path(name).is_dir():
        raise BenchError(f"'{name}' is a folder; allowed: {allowed}")
    if not found and not known:
        raise BenchError(f"there is no result '{name}', and no run in {runs}; allowed: {allowed}")
    if not found:
        raise unknown(f"run (neither a result's JSON file nor a run in {runs})", name,
                      [base.name for base in known[:9]])
    if len(found) > 1:
        raise BenchError(f"several runs are called '{name}': {', '.join(base.name for base in found)}; give a whole "
                         "name")
    result = read_result(found[0])
    assert result is not None
    return found[0], result


def write_curves(base: Path, curves: Sequence[Curves]) -> None:
    """Write ``base``.curves.json: the curves of each row of the result, in their order."""
    content = [asdict(row) for row in curves]
    sealed = json.dumps({"sha256": _seal(content), "curves": content}, separators=(",", ":"), allow_nan=False)
    write_atomic(_file(base, "curves.json"), sealed.encode())


def read_curves(base: Path) -> list[Curves] | None:
    """The curves beside the result ``base``, or None if there are none. Raises BenchError if the file is corrupt."""
    return _read(_file(base, "curves.json"), "curves", CURVES)


def curves_written(base: Path) -> bool:
    """Whether :func:`write_curves` has been here."""
    return _file(base, "curves.json").exists()


def _read(file: Path, kind: str, adapter: TypeAdapter) -> Any:
    if not file.exists():
        return None
    sealed = read_json(file)
    if kind not in sealed:
        raise BenchError(f"{file} holds no {kind}")
    if sealed.get("sha256") != _seal(sealed[kind]):
        raise BenchError(f"{file} is corrupt: its content is not what its sha256 says; delete it to run again")
    return valid(adapter, sealed[kind], file, f"{kind} of this release", "; delete it to run again")


def _seal(content: Any) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode())


def _file(base: Path, ending: str = "json") -> Path:
    return base.with_name(f"{base.name}.{ending}")
