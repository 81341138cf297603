"""Imports run one way."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RANKS = {"errors": 0, "terminal": 0, "children": 0, "interrupts": 0,
         "options": 1, "overrides": 1, "plugins": 1, "contracts": 1, "envs": 2, "marl": 3,
         "metrics": 4, "artifacts": 4, "conformance": 4, "reporting": 5, "harness": 6, "commands": 7, "__main__": 8}
FILES = [file.relative_to(ROOT) for room in ("bench", "attacks", "detectors") for file in (ROOT / room).rglob("*.py")]


def imported(file: Path) -> set[str]:
    """The modules of this project that a file names in its imports, wherever in it they stand."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = file.parts[:-node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    names = {name.removeprefix("bench.") if name.startswith(("bench.attacks", "bench.detectors")) else name
             for name in names}
    return {name for name in names if name.split(".")[0] in ("bench", "attacks", "detectors")}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_nothing_is_imported_from_above(file):
    room = file.parts[0]
    for name in imported(file):
        top, *rest = name.split(".")
        assert not (room == "bench" and top in ("attacks", "detectors")), f"{file} must not know {top}"
        assert {room, top} != {"attacks", "detectors"}, f"{file} must not know {top}"
        if top != "bench" or not rest or rest[0] not in RANKS:
            continue
        if room != "bench":
            assert RANKS[rest[0]] <= RANKS["metrics"], f"{file} must not know {name}"
        elif file.name != "__init__.py" or len(file.parts) > 2:  # bench/__init__.py offers evaluate(), lazily
            own = RANKS[file.parts[1].removesuffix(".py")]
            assert RANKS[rest[0]] <= own, f"{file} must not know {name}"
