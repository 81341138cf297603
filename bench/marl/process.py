"""Settings of the process that training and play run in."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def single_thread_environment() -> None:
    """Keep XLA and OpenMP to one core; to be called before jax or torch is imported.

    Both spin on every core while they wait: two such processes on one machine run ten times slower, not twice.
    Variables that are set already stay as they are.
    """
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def tune() -> None:
    """Torch on one thread without denormals, and an allocator that keeps freed memory.

    By default glibc hands every large array back to the system, and learning spends much of its time on page
    faults. Elsewhere than on glibc nothing happens.
    """
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    _uncompiled()
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _uncompiled() -> None:
    """Optimisers do the same without torch's compiler, which their first step would import: that takes seconds."""
    import torch

    def eager(step: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(step)
        def stepped(self: torch.optim.Optimizer, *arguments: Any, **options: Any) -> Any:
            with torch.set_grad_enabled(self.defaults.get("differentiable", False)):
                return step(self, *arguments, **options)
        return stepped

    for method in vars(torch.optim.Optimizer).values():
        if (plain := getattr(method, "__wrapped__", None)) is not None:
            plain.__dynamo_disable = plain  # where torch._compile looks for what to call outside of the compiler
    kinds: tuple[Any, ...] = torch.optim.Adam, torch.optim.RMSprop
    for kind in kinds:
        if "_dynamo" in kind.step.__code__.co_names:  # as torch has it, and not done before
            kind.step = eager(kind.step.__wrapped__)


def give_back() -> None:
    """Give the system the memory that the allocator keeps (:func:`tune`) and nobody uses; on glibc alone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
