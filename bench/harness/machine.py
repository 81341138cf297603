"""What a report of a bug needs to say of the machine, and whether an environment starts on it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Generator

import numpy as np
import psutil
from hydra.utils import get_class
from omegaconf import DictConfig

from bench import BENCHMARK, __version__, plugins
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import RELEASE, Battles, Finding
from bench.errors import BenchError
from bench.harness.configuration import PACKAGES, git_sha

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS", "JAX_PLATFORMS")


def report() -> dict[str, str]:
    """Title -> text, all of it one line each. Names no file and no user."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory()
    return {
        "release": f"{RELEASE} {__version__}, figures of benchmark {BENCHMARK}, commit {git_sha() or 'unknown'}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}, "
                  f"{'in' if sys.prefix != sys.base_prefix else 'outside'} a virtual environment",
        "platform": f"{platform.platform()}, {platform.libc_ver()[0]} {platform.libc_ver()[1]}".rstrip(", "),
        "machine": f"{cores} of {os.cpu_count()} cores, {memory.total / 2**30:.1f} GiB of memory, "
                   f"{memory.available / 2**30:.1f} free",
        "packages": ", ".join(f"{name} {version}" for name, version in _versions().items()),
        "plug-ins": ", ".join(sorted({plugins.package(point) for group in plugins.GROUPS
                                      for point in plugins.offered(group).values()})) or "none",
        "processes": f"fork {'yes' if hasattr(os, 'fork') else 'no'}, Landlock {_landlock()}",
        "threads": f"torch {torch.get_num_threads()}, " + ", ".join(
            f"{name}={os.environ[name]}" for name in THREADS if name in os.environ),
        "JAX": _devices(),
        "text": f"{sys.stdout.encoding}, files {sys.getfilesystemencoding()}"}


def _devices() -> str:
    try:
        import jax

        return ", ".join(f"{device.platform} {device.device_kind}" for device in jax.devices())
    except Exception as error:  # then this is what the report is about
        return " ".join(f"{type(error).__name__}: {error}".split())


def _versions() -> dict[str, str]:
    """Of the packages that figures depend on, and of whatever else this one names in its requirements."""
    lines: list[str] = []
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # it is run from a folder, not installed
        lines = importlib.metadata.requires(RELEASE) or []
    named = [begins[0] for line in lines if (begins := re.match(r"[\w.-]+", line))]
    found = {}
    for name in dict.fromkeys([*PACKAGES, *named]):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if name in PACKAGES:
                found[name] = "MISSING"
    return found


def _landlock() -> str:
    if sys.platform != "linux":
        return "no (not Linux)"
    from bench.isolation.sealing import landlock_version

    return str(landlock_version()) if landlock_version() >= 1 else "no"


def checks(cfg: DictConfig) -> Generator[Finding, None, None]:
    """What may keep the configured environment from being played here, one thing after the other: the checks that its
    class offers as ``doctor``, which takes the options, or else whether it begins an episode."""
    try:
        own = getattr(get_class(str(cfg.env.get("_target_"))), "doctor", None)
    except Exception:  # its module cannot be imported: building it will say why
        own = None
    if own is None:
        yield _begins(cfg)
    else:
        yield from own(**{name: value for name, value in plain(cfg.env).items() if name != "_target_"})


def _begins(cfg: DictConfig) -> Finding:
    try:
        battles: Battles = build(cfg.env, "environment")
        step = battles.step(battles.reset(0, np.arange(2)).available.argmax(-1))
    except BenchError as error:
        return Finding("first step", False, str(error))
    return Finding("first step", True, f"{battles.spec.id}, version {battles.spec.version}: "
                                       f"{step.observation.shape[1]} agents see {step.observation.shape[2]} features")
