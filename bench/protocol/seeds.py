"""The seeds of the battles that teams are judged in: public ones, or a referee's own that nobody else knows.

Whoever knows a seed can play its battles again, with the trigger and without it, and so knows the labels. A referee's
seeds come from a secret, by SHA-256; a row names the secret's hash, so that the referee can reveal it later and the row
can be made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

# No training or validation has seen these battles.
PUBLIC = {"fit": 3_000_017, "calibration": 3_000_029, "normal": 3_000_047, "triggered": 3_000_061,
          "pairing": 3_000_073, "shuffle": 3_000_077}
WATCHED = ("fit", "calibration", "normal", "triggered")  # the seeds of battles; the others shuffle and pair them
# Of stealth: battles of the clean, the retrained and the attacked team without the trigger, and with it.
STEALTH = ("clean", "retrained", "backdoored", "triggered")
FIRST_PRIVATE = 100  # the seeds of training below are for public teams
VARIABLE = "BENCH_REFEREE"  # of the environment, which may hold the secret: no detector's process has it


def drawn(secret: bytes | None) -> Mapping[str, int]:
    """The seed for each purpose of :data:`PUBLIC`: the public ones, or those that a referee's secret gives."""
    return PUBLIC if secret is None else {purpose: _from(secret, purpose) for purpose in PUBLIC}


def own(weights: str) -> Mapping[str, int]:
    """The seed for each purpose of :data:`STEALTH` that a team has for itself, by the sha256 of its weights: what was
    measured of two teams shares no battle, and so no error."""
    return {purpose: _from(bytes.fromhex(weights), purpose) for purpose in STEALTH}


def private(secret: bytes, n: int) -> list[int]:
    """Seeds of training that a referee's secret gives, ``n`` different ones: from ``FIRST_PRIVATE`` to 999."""
    drawn_ones = (FIRST_PRIVATE + _from(secret, f"team {k}") % (1_000 - FIRST_PRIVATE) for k in range(10 * n))
    return list(dict.fromkeys(drawn_ones))[:n]


def _from(secret: bytes, purpose: str) -> int:
    """From 2^30 on, below 2^31: none is a seed of training, and all are whole numbers to the simulators."""
    return 2**30 + int.from_bytes(hashlib.sha256(secret + b"\0" + purpose.encode()).digest()[:4]) % 2**30
