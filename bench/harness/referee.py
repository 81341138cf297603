"""The referee's secret: where a configuration says that it is, and the seeds that it gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig

from bench.artifacts.files import read_bytes, sha256
from bench.errors import BenchError
from bench.protocol.seeds import VARIABLE, drawn, private

LEAST, MOST = 16, 4_096  # bytes of a secret


def secret(cfg: DictConfig) -> bytes | None:
    """The referee's secret: what the file ``cfg.referee`` holds, or else the environment variable; None without any.

    Raises BenchError if it cannot be read, or is so short that it could be guessed from its hash.
    """
    if cfg.referee is None and not os.environ.get(VARIABLE):
        return None
    if cfg.referee is None:
        where, found = f"the environment variable {VARIABLE}", os.environ[VARIABLE].encode()
    else:
        where, path = str(cfg.referee), Path(str(cfg.referee)).expanduser()
        if not path.is_file():
            raise BenchError(f"no file at {where}; referee=FILE needs one with a secret, such as python -c "
                             f"'import secrets; print(secrets.token_hex(32))' > FILE writes")
        found = read_bytes(path)
    found = found.strip()
    if not LEAST <= len(found) <= MOST:
        raise BenchError(f"the referee's secret in {where} has {len(found)} bytes; allowed: {LEAST} to {MOST}")
    return found


def digest(cfg: DictConfig) -> str | None:
    """What a result says of the referee's secret: its SHA-256, or None for the public battles."""
    found = secret(cfg)
    return None if found is None else sha256(found)


def private_seeds(cfg: DictConfig, n: int) -> list[int]:
    """``n`` seeds of training that nobody without the referee's secret knows. Raises BenchError without one."""
    found = secret(cfg)
    if found is None:
        raise BenchError("hidden teams are made from a referee's secret: referee=FILE, or the environment variable "
                         f"{VARIABLE}, is needed")
    return private(found, n)


def seeds(cfg: DictConfig) -> Mapping[str, int]:
    """The seeds of a configuration's battles, by their purpose."""
    return drawn(secret(cfg))
