"""Messages between a run and a detector's process: JSON and arrays over two pipes; and teams as such."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from bench.contracts import Shape

if TYPE_CHECKING:
    from bench.marl.team import Team

LARGEST_HEADER = 1 << 22  # bytes: a detector's configuration fits many times
KINDS = "biuf"  # of the arrays' types: truth values, whole and real numbers


class Wire:
    """Sends to one file descriptor and receives from another.

    A message is the length of its header in eight bytes, the header in JSON, and the bytes of the arrays that the
    header names under "arrays", with type and shape. What is received may be anybody's: nothing of it is trusted.
    """

    def __init__(self, source: int, sink: int) -> None:
        self._source, self._sink = source, sink

    @property
    def files(self) -> tuple[int, int]:
        """Both file descriptors."""
        return self._source, self._sink

    def send(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Raises OSError if nobody listens."""
        flat = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
        about = [[name, array.dtype.str, array.shape] for name, array in flat.items()]
        text = json.dumps({**header, "arrays": about}).encode()
        self._write(memoryview(len(text).to_bytes(8, "little") + text))
        for array in flat.values():
            if array.size:
                self._write(_bytes(array))

    def receive(self, largest: int | None = None) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The next message: its header and its arrays, of at most ``largest`` bytes together.

        Raises EOFError if there is none, and ValueError if it is no message.
        """
        length = int.from_bytes(self._read(8), "little")
        if length > LARGEST_HEADER:
            raise ValueError(f"a header of {length:,} bytes")
        try:
            header = json.loads(self._read(length))
            arrays = {str(name): self._array(np.dtype(str(kind)), tuple(map(int, shape)), largest)
                      for name, kind, shape in header.pop("arrays")}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
            raise ValueError(f"no message: {error}") from None
        return header, arrays

    def _array(self, kind: np.dtype, shape: tuple[int, ...], largest: int | None) -> np.ndarray:
        size = kind.itemsize
        for length in shape:  # Python's whole numbers do not overflow
            size *= length
        if kind.kind not in KINDS or min(shape, default=0) < 0 or (largest is not None and size > largest):
            raise ValueError(f"an array of {kind} and shape {shape}")
        array = np.empty(shape, kind)
        if size:
            self._read_into(_bytes(array))
        return array

    def _read(self, length: int) -> bytes:
        buffer = bytearray(length)
        self._read_into(memoryview(buffer))
        return bytes(buffer)

    def _read_into(self, buffer: memoryview) -> None:
        while len(buffer):
            got = os.readv(self._source, [buffer])
            if not got:
                raise EOFError
            buffer = buffer[got:]

    def _write(self, data: memoryview) -> None:
        while len(data):
            data = data[os.write(self._sink, data):]


def packed(team: Team, prefix: str = "") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A team as plain values and arrays, whose names begin with ``prefix``."""
    arrays = {f"{prefix}{name}": tensor.numpy() for name, tensor in team.tensors().items()}
    return {"architecture": team.architecture, "algo": team.algo, "spec": asdict(team.spec), "prefix": prefix,
            "tensors": list(team.tensors())}, arrays


def unpacked(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Team:
    """The team of :func:`packed`."""
    import torch

    from bench.marl.learners import architecture

    spec = TypeAdapter(Shape).validate_python(about["spec"])
    tensors = {name: torch.from_numpy(arrays[f"{about['prefix']}{name}"]) for name in about["tensors"]}
    return architecture(about["architecture"]).of(about["algo"], spec, tensors)


def _bytes(array: np.ndarray) -> memoryview:
    """The memory of an array that lies in one piece."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
