"""Recorded episodes as files: what a detector may see, and apart from it the labels."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.artifacts.columns import arrow, read_columns
from bench.artifacts.files import read_bytes, read_json, sha256, write_atomic, write_json
from bench.artifacts.kinds import ENVIRONMENT, EXPORT
from bench.artifacts.reading import corrupt, valid
from bench.contracts import COLUMNS, EnvSpec, Episodes, Labels, columns_of
from bench.contracts.columns import FORMER
from bench.errors import BenchError, unknown

FORMATS = ("npz", "parquet")
MANIFEST = "manifest.json"  # of the files in its folder: name -> sha256


def write_record(path: Path, record: Episodes | Labels) -> None:
    """Write the arrays of episodes without their labels, or of labels without extras, to ``path``, an .npz or .parquet
    file; and beside episodes NAME-environment.json, what actions and features are called.

    A Parquet file of episodes has a row a played step, one of labels a row an episode. Arrays are flattened to lists,
    float16 is float32 there; the schema's metadata under "bench" says what they were.
    """
    columns = {name: value for name, value in columns_of(record).items() if name in COLUMNS}
    write_atomic(path, _parquet(columns) if path.suffix == ".parquet" else _npz(columns))
    if isinstance(record, Episodes) and record.spec is not None:
        write_json(_beside(path), asdict(record.spec))


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
    columns = _read(Path(path), Episodes)
    episodes = Episodes(**columns, spec=_environment(Path(path), columns))
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
    _require_known(path, data)
    wanted = {f.name: f.default is not None for f in fields(kind) if f.name in COLUMNS}
    former = {name: now for name, now in FORMER.items() if now in wanted}
    columns = read_columns(path, data, wanted | dict.fromkeys(former, False))
    return {former.get(name, name): column for name, column in columns.items()}


def _require_known(path: Path, data: bytes) -> None:
    """BenchError unless the file holds what the manifest in its folder, if there is one, says."""
    manifest = path.parent / MANIFEST
    if not manifest.exists():
        return
    known = valid(EXPORT, read_json(manifest), manifest, "manifest of exported episodes").files
    if path.name not in known:
        raise BenchError(f"{path} is not in {manifest}")
    if known[path.name] != sha256(data):
        raise BenchError(f"{path} is corrupt: its sha256 is {sha256(data)[:12]}..., the manifest says "
                         f"{known[path.name][:12]}...")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}-environment.json")


def _environment(path: Path, columns: dict[str, np.ndarray]) -> EnvSpec | None:
    """What was written beside episodes about their environment; None where nothing was, as before release 0.10."""
    beside = _beside(path)
    if not beside.exists():
        return None
    _require_known(beside, read_bytes(beside))
    spec = valid(ENVIRONMENT, read_json(beside), beside, "description of an environment")
    said = spec.n_agents, len(spec.observation_layout), len(spec.agent_actions)
    found = *columns["observation"].shape[2:], columns["available"].shape[3]
    if said != found or (spec.target_of_action >= spec.n_outsiders).any():
        raise corrupt(beside, f"it tells of {said} agents, features and actions, {path.name} has {found}")
    return spec


def _npz(columns: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **columns)  # type: ignore[arg-type]
    return buffer.getvalue()


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
