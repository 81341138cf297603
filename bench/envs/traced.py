"""Functions in JAX that are traced once on a machine, and not in each process anew.

JAX keeps what XLA has compiled, but to find it, it has to trace and lower the function again, which takes seconds where
the function is a game. So what it was lowered to (StableHLO, as :mod:`jax.export` writes it) is kept beside.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from functools import cache, wraps
from pathlib import Path
from typing import Any

import jax
from jax import export, tree_util

import bench.contracts

SIZE = hashlib.sha256().digest_size
OURS = Path(__file__).parent, Path(bench.contracts.__file__).parent
ELSEWHERE = "cache", "dir", "path", "profile", "log"  # in names of settings of JAX that change nothing in a function


class Traced:
    """``jax.jit(function)``, of which what it was lowered to is kept on disk, next to what JAX has compiled.

    It is found again by all that it depends on: name, number of battles, types of the arguments, JAX and its settings,
    and the source of the games (``bench.envs``, ``bench.contracts``, Python files in ``folders``). A file that is
    not whole is made anew, and where none can be written, none is.

    Parameters
    ----------
    function : its last argument has a leading battle axis, and for a number of battles all arguments have one type.
    name : says what ``function`` is, with whatever it was made with.
    folders : further ones with Python files that it depends on.
    """

    def __init__(self, function: Callable[..., Any], name: str, folders: Iterable[Path] = ()) -> None:
        self._function, self._name, self._folders = jax.jit(function), name, tuple(folders)
        self._by_number: dict[int, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        n = len(arguments[-1])
        if n not in self._by_number:
            lowered = self._lowered(arguments)
            self._by_number[n] = jax.jit(wraps(self._function)(lambda *arguments: lowered.call(*arguments)))
        return self._by_number[n](*arguments)

    def _lowered(self, arguments: tuple[Any, ...]) -> export.Exported:
        place = _folder()
        if place is None:
            return export.export(self._function)(*arguments)
        file = place / f"{self._key(arguments)}.stablehlo"
        with contextlib.suppress(OSError):
            data = file.read_bytes()
            if hashlib.sha256(data[SIZE:]).digest() == data[:SIZE]:
                return export.deserialize(bytearray(data[SIZE:]))
        lowered = export.export(self._function)(*arguments)
        data = bytes(lowered.serialize())
        _write(file, hashlib.sha256(data).digest() + data)
        return lowered

    def _key(self, arguments: tuple[Any, ...]) -> str:
        leaves, layout = tree_util.tree_flatten(arguments)
        types = [jax.typeof(leaf).str_short() for leaf in leaves]
        settings = sorted((name, str(value)) for name, value in jax.config.values.items()
                          if not any(part in name for part in ELSEWHERE))
        return hashlib.sha256("\n".join(map(str, (
            self._name, types, layout, jax.__version__, jax.default_backend(), sys.version_info[:2], settings,
            sources(OURS + self._folders)))).encode()).hexdigest()


@cache
def sources(folders: tuple[Path, ...]) -> str:
    """A hash of the Python files in folders (those below them left out), by name and content."""
    total = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        total.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def readable(*kinds: type) -> None:
    """States made of these dataclasses and named tuples can be kept."""
    for kind in kinds:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if issubclass(kind, tuple):
            export.register_namedtuple_serialization(kind, serialized_name=name)
        else:
            export.register_pytree_node_serialization(
                kind, serialized_name=name, serialize_auxdata=_nothing, deserialize_auxdata=lambda _: ())


def _nothing(beside: Any) -> bytes:
    """What a dataclass has beside its arrays, if that is nothing."""
    assert not beside, "a state is made of arrays alone"
    return b""


def _folder() -> Path | None:
    """Where JAX keeps what it has compiled, if that is a folder."""
    kept = jax.config.values["jax_compilation_cache_dir"]
    if not kept or "://" in kept or not jax.config.values["jax_enable_compilation_cache"]:
        return None
    return Path(kept) / "traced"


def _write(file: Path, data: bytes) -> None:
    """Write a file whole, or, where that cannot be, not at all."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, new = tempfile.mkstemp(dir=file.parent)
        try:
            with open(handle, "wb") as out:
                out.write(data)
            os.replace(new, file)
        except OSError:
            Path(new).unlink()
            raise
