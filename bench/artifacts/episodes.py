"""Recorded episodes as files: what a detector may see, and apart from it the labels."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from dataclasses import fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench.artifacts.files import read_bytes, read_json, sha256, write_atomic
from bench.contracts import Episodes, Labels
from bench.errors import BenchError, unknown

FORMATS = ("npz", "parquet")
_CORRUPT = (ValueError, KeyError, IndexError, TypeError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
MANIFEST = "manifest.json"  # of the files in its folder: name -> sha256


def write_record(path: Path, record: Episodes | Labels) -> None:
    """Write the arrays of episodes without their labels, or of labels, to ``path``, an .npz or .parquet file.

    A Parquet file of episodes has a row a played step, one of labels a row an episode. Arrays are flattened to lists,
    float16 is float32 there; the schema's metadata under "bench" says what they were.
    """
    columns = {f.name: value for f in fields(record)
               if isinstance(value := getattr(record, f.name), np.ndarray)}
    if path.suffix == ".parquet":
        write_atomic(path, _parquet(columns))
        return
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]
    write_atomic(path, buffer.getvalue())


def write_episodes(base: Path, **parts: Episodes) -> None:
    """Write ``base``-NAME.npz, what a detector may see, and ``base``-NAME-labels.npz, what it may not."""
    for name, episodes in parts.items():
        write_record(base.with_name(f"{base.name}-{name}.npz"), episodes)
        write_record(base.with_name(f"{base.name}-{name}-labels.npz"), episodes.labels)


def episodes_written(base: Path) -> bool:
    """Whether :func:`write_episodes` has been here."""
    return any(base.parent.glob(f"{base.name}-*-labels.npz"))


def load_episodes(path: str | Path, labels: str | Path | None = None) -> Episodes:
    """The episodes of an exported file, with the labels of another one if that is given.

    Raises
    ------
    BenchError : a file is missing, is not what the manifest beside it says, or holds no such record; it is named.
    """
    episodes = Episodes(**_read(Path(path), Episodes))
    if labels is None:
        return episodes
    found = Labels(**_read(Path(labels), Labels))
    if found.trigger.shape != episodes.mask.shape:
        raise BenchError(f"{labels} has labels of {found.trigger.shape} (episode, step); {path} has "
                         f"{episodes.mask.shape}")
    return replace(episodes, hidden_labels=found)


def _read(path: Path, kind: type) -> dict[str, Any]:
    """The columns of a record of episodes or of labels, checked."""
    data = read_bytes(path)
    manifest = path.parent / MANIFEST
    if manifest.exists():
        known = read_json(manifest)["files"]
        if path.name not in known:
            raise BenchError(f"{path} is not in {manifest}")
        if known[path.name] != sha256(data):
            raise BenchError(f"{path} is corrupt: its sha256 is {sha256(data)[:12]}..., the manifest says "
                             f"{known[path.name][:12]}...")
    if path.suffix not in (".npz", ".parquet"):
        raise unknown(f"format of {path}", path.suffix.lstrip("."), FORMATS)
    try:
        if path.suffix == ".npz":
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                columns = {name: file[name] for name in file.files}
        else:
            columns = _from_parquet(data)
    except _CORRUPT as error:
        raise BenchError(f"{path} is corrupt: {str(error).splitlines()[0] if str(error) else 'it ends too soon'}") \
            from None
    _check(path, columns, kind)
    return columns


def _check(path: Path, columns: dict[str, np.ndarray], kind: type) -> None:
    """BenchError unless the columns are those of a record, all of as many episodes (and steps)."""
    arrays = {f.name: f for f in fields(kind) if f.name != "hidden_labels"}
    missing = [name for name, f in arrays.items() if f.default is not None and name not in columns]
    odd = sorted(columns.keys() - arrays.keys())
    if missing or odd:
        raise BenchError(f"{path} is no record of {kind.__name__.lower()}: " +
                         (f"the column '{missing[0]}' is missing" if missing else f"it has a column '{odd[0]}'"))
    first = "mask" if kind is Episodes else "trigger"
    for name, column in columns.items():
        shape = columns[first].shape[: min(2, column.ndim)]
        if columns[first].ndim != 2 or column.shape[: len(shape)] != shape or not column.ndim:
            raise BenchError(f"{path} is corrupt: the column '{name}' has shape {column.shape}, '{first}' "
                             f"{columns[first].shape}")


def _arrow() -> tuple[ModuleType, ModuleType]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BenchError("format=parquet needs pyarrow: pip install 'marl-backdoor-bench[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _parquet(columns: dict[str, np.ndarray]) -> bytes:
    arrow, parquet = _arrow()
    about = {name: [column.dtype.str, column.shape] for name, column in columns.items()}
    rows = columns
    if "mask" in columns:
        where = np.nonzero(columns["mask"])
        rows = dict(zip(("episode", "step"), (place.astype(np.int32) for place in where), strict=True))
        rows |= {name: column[where] for name, column in columns.items() if name != "mask"}
    arrays = {}
    for name, column in rows.items():
        flat = arrow.array(column.astype(np.float32).ravel() if column.dtype == np.float16 else column.ravel())
        width = int(np.prod(column.shape[1:]))
        arrays[name] = flat if column.ndim == 1 else arrow.FixedSizeListArray.from_arrays(flat, width)
    table = arrow.table(arrays).replace_schema_metadata({"bench": json.dumps(about)})
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _from_parquet(data: bytes) -> dict[str, np.ndarray]:
    arrow, parquet = _arrow()
    table = parquet.read_table(io.BytesIO(data))
    about = json.loads((table.schema.metadata or {})[b"bench"])
    rows = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        flat = column.flatten() if isinstance(column, arrow.FixedSizeListArray) else column
        rows[name] = flat.to_numpy(zero_copy_only=False)
    if "mask" not in about:
        return {name: rows[name].reshape(shape).astype(kind) for name, (kind, shape) in about.items()}
    columns = {name: np.zeros(shape, kind) for name, (kind, shape) in about.items()}
    where = rows["episode"], rows["step"]
    columns["mask"][where] = True
    for name, column in columns.items():
        if name != "mask":
            column[where] = rows[name].reshape(-1, *column.shape[2:])
    return columns
