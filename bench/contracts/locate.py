"""Why a class that a configuration names is not to be had: misspelt, or of a package that is not installed."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from bench.contracts.calls import Raised, absent, ask
from bench.errors import BenchError, unknown


def missing(node: Any) -> BenchError | None:
    """What is wrong with the first class named in a configuration node that cannot be found; None if all can be.

    To be asked when an object could not be made: it imports what the node names.
    """
    found = (_missing(target) for target in _targets(node))
    return next((error for error in found if error is not None), None)


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from _targets(part)


def _missing(target: str) -> BenchError | None:
    found: Any = None
    parts = target.split(".")
    for n, part in enumerate(parts):
        if found is not None and hasattr(found, part):
            found = getattr(found, part)
            continue
        name = ".".join(parts[: n + 1])
        try:
            if found is not None and not hasattr(found, "__path__"):  # nothing can be imported from it
                return _misspelt(found, part) or BenchError(f"{'.'.join(parts[:n])} has no {part}")
            found = ask(lambda name=name: importlib.import_module(name))  # type: ignore[misc]
        except Raised as error:
            cause = error.__cause__
            why = absent(cause)
            if why is not None and not f"{target}.".startswith(f"{getattr(cause, 'name', '')}."):
                return BenchError(f"{target}: {why}")
            return _misspelt(found, part) or BenchError(
                str(cause) if isinstance(cause, ImportError) else f"importing {name} raised {error}")
    return None


def _misspelt(module: Any, name: str) -> BenchError | None:
    """The error for a name that a module lacks, if it has one like it, with what it has besides."""
    if not isinstance(module, ModuleType):
        return None
    own = [key for key, value in vars(module).items() if isinstance(value, type) and not key.startswith("_")
           and value.__module__.startswith(module.__name__)]
    own += [found.name for found in pkgutil.iter_modules(getattr(module, "__path__", ())) if found.name[0] != "_"]
    near = difflib.get_close_matches(name, sorted(own), n=8, cutoff=0.5)
    return unknown(f"name in {module.__name__}", name, near) if near else None
