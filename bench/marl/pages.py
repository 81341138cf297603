"""Large arrays that take memory only where something was written to them."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

LARGE = 2**22  # bytes; below, the allocator's memory is at hand sooner
PART = 2**15  # of what is kept for a while and should then be gone


def zeros(shape: Sequence[int], dtype: DTypeLike, large: int = LARGE) -> np.ndarray:
    """An array of zeros. One of ``large`` bytes or more has pages of its own: those that are never written to take no
    memory, which most of the padding of recorded battles is, and all go back to the system with the array."""
    kind, n = np.dtype(dtype), math.prod(shape)
    if n * kind.itemsize < max(large, 1):
        return np.zeros(shape, kind)
    if not hasattr(mmap, "MAP_ANONYMOUS"):  # Windows
        return np.frombuffer(mmap.mmap(-1, n * kind.itemsize), kind).reshape(shape)
    pages = mmap.mmap(-1, n * kind.itemsize, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        pages.madvise(mmap.MADV_NOHUGEPAGE)  # else two megabytes are taken where one byte is written
    return np.frombuffer(pages, kind).reshape(shape)


def kept(value: np.ndarray) -> np.ndarray:
    """A copy, whose memory goes back to the system with it if it is not tiny: many of those in the allocator's memory
    would leave it large for good."""
    copy = zeros(value.shape, value.dtype, PART)
    copy[...] = value
    return copy
