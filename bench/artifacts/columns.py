"""The columns of a stranger's record of episodes or labels, out of an .npz or .parquet file, within limits."""

from __future__ import annotations

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bench.artifacts.reading import corrupt, parse_json, room, too_large
from bench.contracts import COLUMNS
from bench.contracts.columns import FORMER
from bench.errors import BenchError

KINDS = {"f": "f", "b": "b", "i": "iu", "u": "iu"}  # of numpy's types: which ones a file may have in a column's place
_CORRUPT = (ValueError, KeyError, IndexError, TypeError, OSError, EOFError, NotImplementedError, OverflowError,
            MemoryError, RecursionError, SyntaxError, tokenize.TokenError, struct.error, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Column:
    """What a file says of a column before it is read."""

    type: np.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.type.itemsize


def read_columns(path: Path, data: bytes, wanted: Mapping[str, bool]) -> dict[str, np.ndarray]:
    """The columns of a file's content: those of ``wanted``, which says whether they must be there, and no others.

    Raises BenchError, before anything is inflated, if they are more than there is room for.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what a type cannot hold is not finite, and refused below
            columns = _npz(path, data, wanted) if path.suffix == ".npz" else _parquet(path, data, wanted)
    except _CORRUPT as error:
        why = str(error).splitlines()[0][:200] if str(error) else "it ends too soon"
        raise corrupt(path, why) from None
    for name, column in columns.items():
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise corrupt(path, f"the column '{name}' holds numbers that are not finite")
    if "mask" in columns:
        mask, actions = columns["mask"], columns["available"].shape[-1]
        if (mask[:, 1:] & ~mask[:, :-1]).any():
            raise corrupt(path, "it has steps behind the end of an episode")
        if ((columns["action"] < 0) | (columns["action"] >= actions)).any():
            raise corrupt(path, f"it has actions beyond 0 to {actions - 1}")
    return columns


def _check(path: Path, found: Mapping[str, Column], wanted: Mapping[str, bool]) -> None:
    """BenchError unless the columns are those of a record, of as many episodes, steps and agents, and there is room."""
    missing = [name for name, needed in wanted.items() if needed and name not in found]
    odd = sorted(found.keys() - wanted.keys())
    if missing or odd:
        raise BenchError(f"{path} is no record of {'episodes' if 'mask' in wanted else 'labels'}: " +
                         (f"the column '{missing[0]}' is missing" if missing else f"it has a column '{odd[0][:80]}'"))
    name_first = "mask" if "mask" in wanted else "trigger"
    first = found[name_first].shape
    agents = found["alive"].shape[2:] if "alive" in found else ()
    for name, column in found.items():
        known = COLUMNS[FORMER.get(name, name)]
        dimensions, kinds = len(known.axes), KINDS[known.dtype.kind]
        if column.type.kind not in kinds or len(column.shape) != dimensions:
            raise corrupt(path, f"the column '{name}' is of type {str(column.type)[:40]} and shape {column.shape}")
        others = "mask" in wanted and column.shape[2:3] != agents[:dimensions - 2]
        if others or column.shape[:2] != first[:dimensions]:
            raise corrupt(path, f"the column '{name}' has shape {column.shape}, '{name_first}' {first}")
    size = sum(column.size for column in found.values())
    if size > room():
        raise too_large(path, size, room())


def _npz(path: Path, data: bytes, wanted: Mapping[str, bool]) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = {part.filename.removesuffix(".npy"): part for part in file.infolist()}
        if len(parts) < len(file.infolist()):
            raise ValueError("it has a column twice")
        if len(parts) > len(COLUMNS):
            raise ValueError(f"it has {len(parts)} columns")
        found = {}
        for name, part in parts.items():
            if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("it is packed in another way than numpy does")
            with file.open(part) as stream:
                found[name], begin = _header(stream)
                if begin + found[name].size != part.file_size:
                    raise ValueError(f"the column '{name[:80]}' is not as long as its header says")
        _check(path, found, wanted)
        columns = {}
        for name, column in found.items():
            with file.open(parts[name]) as stream:
                begin = _header(stream)[1]
                stream.seek(begin)
                columns[name] = np.frombuffer(bytearray(stream.read(column.size)), column.type).reshape(column.shape)
    return columns


def _header(stream: Any) -> tuple[Column, int]:
    """What the header of a .npy file says, and where its data begins."""
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError("it is not as numpy writes such arrays")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(stream, max_header_size=1_000)
    if kind.hasobject or kind.fields is not None or kind.subdtype is not None or fortran:
        raise ValueError("it holds something else than plain arrays of numbers")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"it has an array of shape {str(shape)[:80]}")
    return Column(kind, shape), stream.tell()


def arrow() -> tuple[ModuleType, ModuleType]:
    """pyarrow and its module for Parquet files."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise BenchError("format=parquet needs pyarrow: pip install 'marl-backdoor-bench[parquet]'") from None
    return pyarrow, pyarrow.parquet


def _parquet(path: Path, data: bytes, wanted: Mapping[str, bool]) -> dict[str, np.ndarray]:
    pyarrow, parquet = arrow()
    file = parquet.ParquetFile(io.BytesIO(data))
    about = parse_json((file.schema_arrow.metadata or {})[b"bench"], path)
    found = {name: Column(np.dtype(kind), tuple(shape)) for name, (kind, shape) in about.items()}
    if not all(type(length) is int and length >= 0 for column in found.values() for length in column.shape):
        raise ValueError("it has an array without a shape")
    _check(path, found, wanted)
    episodes = "mask" in wanted
    names = [name for name in found if name != "mask"] + (["episode", "step"] if episodes else [])
    if sorted(file.schema_arrow.names) != sorted(names):
        raise ValueError("its columns are not those that it says it has")
    widths = {name: math.prod(column.shape[2 if episodes else 1:]) for name, column in found.items()}
    rows = file.metadata.num_rows
    if rows > math.prod(found["mask"].shape) if episodes else rows != found["trigger"].shape[0]:
        raise ValueError(f"it has {rows:,} rows")
    for name in names:
        kind = file.schema_arrow.field(name).type
        listed = isinstance(kind, pyarrow.FixedSizeListType)
        if (kind.list_size if listed else 1) != widths.get(name, 1) or not _plain(kind.value_type if listed else kind,
                                                                                  pyarrow):
            raise ValueError(f"its column '{name}' is of type {str(kind)[:80]}")
    inflated = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
    if inflated > room():
        raise too_large(path, inflated, room())
    table = {name: _flat(column, pyarrow) for name, column in zip(names, file.read(names).columns, strict=True)}
    return _scattered(found, table) if episodes else {
        name: table[name].reshape(column.shape).astype(column.type) for name, column in found.items()}


def _plain(kind: Any, pyarrow: ModuleType) -> bool:
    types = pyarrow.types
    return types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)


def _flat(column: Any, pyarrow: ModuleType) -> np.ndarray:
    joined = column.combine_chunks()
    if joined.null_count:
        raise ValueError("it has empty cells")
    flat = joined.flatten() if isinstance(joined, pyarrow.FixedSizeListArray) else joined
    return flat.to_numpy(zero_copy_only=False)


def _scattered(found: Mapping[str, Column], table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Columns of (episode, step, ...) from rows of played steps."""
    columns = {name: np.zeros(column.shape, column.type) for name, column in found.items()}
    where = table["episode"], table["step"]
    if any(place.dtype.kind not in "iu" or (place < 0).any() for place in where):
        raise ValueError("it has a step of no episode")
    columns["mask"][where] = True
    for name, column in columns.items():
        if name != "mask":
            column[where] = table[name].reshape(-1, *column.shape[2:])
    return columns

