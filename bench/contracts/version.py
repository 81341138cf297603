"""The version of the contract that whatever is written outside this repository keeps."""

from __future__ import annotations

from typing import Any

from bench.contracts.calls import ask, shown
from bench.errors import BenchError

# 1: releases up to 0.9. 2: what the team does not control is an outsider, features and orders have names
# (``episodes.spec``), teams have preferences, an attack has ``require``. Detectors of 1 run on, with a warning.
CONTRACT = 2


def require_contract(made: Any, what: str) -> None:
    """Raise BenchError for an object whose ``contract``, which it need not say, is none that this release keeps."""
    said = ask(lambda: getattr(made, "contract", CONTRACT))
    if type(said) is not int or not 1 <= said <= CONTRACT:
        raise BenchError(f"{what}.contract is {shown(said)}; this release keeps the contracts of plug-ins 1 to "
                         f"{CONTRACT}: install a later one, or an earlier version of its package")
