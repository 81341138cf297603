"""Recorded episodes as files: what a detector may see, and apart from it the labels."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.artifacts.columns import arrow, read_columns
from bench.artifacts.files import read_bytes, read_json, sha256, write_atomic
from bench.artifacts.kinds import EXPORT
from bench.artifacts.reading import valid
from bench.contracts import Episodes, Labels
from bench.contracts.columns import FORMER
from bench.errors import BenchError, unknown

FORMATS = ("npz", "parquet")
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
    if path.suffix not in (".npz", ".parquet"):
        raise unknown(f"format of {path}", path.suffix.lstrip("."), FORMATS)
    data = read_bytes(path)
    manifest = path.parent / MANIFEST
    if manifest.exists():
        known = valid(EXPORT, read_json(manifest), manifest, "manifest of exported episodes").files
        if path.name not in known:
            raise BenchError(f"{path} is not in {manifest}")
        if known[path.name] != sha256(data):
            raise BenchError(f"{path} is corrupt: its sha256 is {sha256(data)[:12]}..., the manifest says "
                             f"{known[path.name][:12]}...")
    wanted = {f.name: f.default is not None for f in fields(kind) if f.name != "hidden_labels"}
    former = {name: now for name, now in FORMER.items() if now in wanted}
    columns = read_columns(path, data, wanted | dict.fromkeys(former, False))
    return {former.get(name, name): column for name, column in columns.items()}


def _parquet(columns: dict[str, np.ndarray]) -> bytes:
    pyarrow, parquet = arrow()
    about = {name: [column.dtype.str, column.shape] for name, column in columns.items()}
    rows = columns
    if "mask" in columns:
        where = np.nonzero(columns["mask"])
        rows = dict(zip(("episode", "step"), (place.astype(np.int32) for place in where), strict=True))
        rows |= {name: column[where] for name, column in columns.items() if name != "mask"}
    arrays = {}
    for name, column in rows.items():
        flat = pyarrow.array(column.astype(np.float32).ravel() if column.dtype == np.float16 else column.ravel())
        width = int(np.prod(column.shape[1:]))
        arrays[name] = flat if column.ndim == 1 else pyarrow.FixedSizeListArray.from_arrays(flat, width)
    table = pyarrow.table(arrays).replace_schema_metadata({"bench": json.dumps(about)})
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()
