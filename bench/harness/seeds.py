"""The seeds of the battles that teams are judged in: public ones, or a referee's own that nobody else knows.

Whoever knows a seed can play its battles again, with the trigger and without it, and so knows the labels. A referee's
seeds come from a secret, by SHA-256; a row names the secret's hash, so that the referee can reveal it later and the row
can be made again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from omegaconf import DictConfig

from bench.artifacts.files import read_bytes, sha256
from bench.errors import BenchError

# No training or validation has seen these battles.
PUBLIC = {"fit": 3_000_017, "calibration": 3_000_029, "normal": 3_000_047, "triggered": 3_000_061,
          "pairing": 3_000_073, "shuffle": 3_000_077}
WATCHED = ("fit", "calibration", "normal", "triggered")  # the seeds of battles; the others shuffle and pair them
VARIABLE = "BENCH_REFEREE"  # of the environment: the secret itself
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


def seeds(cfg: DictConfig) -> Mapping[str, int]:
    """The seed for each purpose of :data:`PUBLIC`."""
    found = secret(cfg)
    if found is None:
        return PUBLIC
    # From 2^30 on, below 2^31: none is a seed of training, and all are whole numbers to the simulators.
    return {purpose: 2**30 + int.from_bytes(hashlib.sha256(found + b"\0" + purpose.encode()).digest()[:4]) % 2**30
            for purpose in PUBLIC}
