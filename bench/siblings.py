"""``attacks``, ``detectors`` and ``conf`` are imported as packages of ``bench``, wherever their folders lie.

In a checkout the folders lie beside that of ``bench``, in an installed wheel within it. Their own names are common
ones: a user's ``detectors.py`` or ``conf/`` must neither stand in for ours nor be hidden by it. So all that this
project names is ``bench.detectors...``, and ``import detectors`` gives the user's. Only where the user has none is it
ours, under both names the same module, so that detectors written against ``detectors`` run on.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

NAMES = ("attacks", "detectors")
_FOLDERS = {name: str(Path(__file__).parents[1] / name) for name in NAMES}  # of a checkout


class _Aliases:
    """Finds ``detectors`` and ``detectors.x`` as ``bench.detectors`` and ``bench.detectors.x`` (a meta path finder)."""

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        top = name.partition(".")[0]
        if top not in NAMES or users_own(top) or importlib.util.find_spec(f"bench.{name}") is None:
            return None
        return ModuleSpec(name, self)  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(f"bench.{spec.name}")
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run under its own name; the import system has put the alias's spec in the place of its own."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


_ALIASES = _Aliases()


def install() -> None:
    """Let the old names be imported."""
    if _ALIASES not in sys.meta_path:
        sys.meta_path.insert(0, _ALIASES)


def users_own(name: str) -> bool:
    """Whether ``import NAME``, one of :data:`NAMES`, gives a module that is not ours."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded is not sys.modules.get(f"bench.{name}")
    return any(_elsewhere(name, finder) for finder in sys.meta_path if finder is not _ALIASES)


def _elsewhere(name: str, finder: Any) -> bool:
    """Whether a finder knows a module of this name outside the folder of ours."""
    spec = finder.find_spec(name, None, None)
    if spec is None:
        return False
    places = list(spec.submodule_search_locations or [spec.origin])
    return places != [_FOLDERS[name]]


def recorded(target: str) -> str:
    """A ``_target_`` as results, recipes of teams and hashes spell it: ours without ``bench.``, whatever a user calls
    it by, and a user's own of the same name so that the two are told apart."""
    top = target.partition(".")[0]
    if top in NAMES and users_own(top):
        return f"own:{target}"
    return target.removeprefix("bench.") if target.startswith(tuple(f"bench.{name}." for name in NAMES)) else target
