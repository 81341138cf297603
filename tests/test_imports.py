"""Imports run one way."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Files of bench itself, which every room may use; they use one another and the contracts.
SMALL = {"build", "children", "compat", "errors", "interrupts", "options", "overrides", "plugins", "siblings",
         "terminal"}
MAY_USE = {  # room -> the rooms that it knows
    "contracts": set(),
    "envs": {"contracts"},
    "marl": {"contracts"},
    "metrics": {"contracts"},
    "artifacts": {"marl", "contracts"},
    "conformance": {"marl", "artifacts", "contracts"},
    "protocol": {"metrics", "marl", "contracts"},
    "leaderboard": {"metrics", "marl", "artifacts", "contracts"},
    "isolation": {"protocol", "marl", "envs", "contracts"},
    "harness": {"protocol", "leaderboard", "isolation", "metrics", "marl", "artifacts", "envs", "contracts"},
    "speed": {"leaderboard", "marl", "artifacts", "envs", "contracts"},
    "reporting": {"leaderboard", "conformance", "metrics", "artifacts", "contracts"},
    "commands": {"harness", "speed", "reporting", "protocol", "leaderboard", "conformance", "metrics", "marl",
                 "artifacts", "envs", "contracts"},
    "__main__": {"commands"},
    "attacks": {"marl", "contracts"},
    "detectors": {"marl", "conformance", "contracts"},
}
FILES = [file.relative_to(ROOT) for room in ("bench", "attacks", "detectors") for file in (ROOT / room).rglob("*.py")]


def imported(file: Path) -> set[str]:
    """The modules that a file names in its imports, wherever in it they stand."""
    names = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = file.parts[:-node.level] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("bench.") if name.startswith(("bench.attacks", "bench.detectors")) else name
            for name in names}


def rooms(names: set[str]) -> set[str]:
    """The rooms of this project, or files of bench itself, that modules are in."""
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "bench" and part[1:] and part[1] in {*SMALL, *MAY_USE}} | {
        part[0] for part in parts if part[0] in ("attacks", "detectors")}


@pytest.mark.parametrize("file", [file for file in FILES if file != Path("bench/__init__.py")], ids=str)
def test_a_room_knows_those_below_alone(file):
    """But for bench/__init__.py, which offers evaluate() lazily."""
    own = file.parts[1].removesuffix(".py") if file.parts[0] == "bench" else file.parts[0]
    allowed = {"contracts"} if own in SMALL else MAY_USE[own]
    assert rooms(imported(file)) <= {own, *allowed, *SMALL}


def test_every_room_is_known():
    assert {folder.name for folder in (ROOT / "bench").iterdir() if (folder / "__init__.py").exists()} <= MAY_USE.keys()


def test_the_rules_are_plain_python_and_numpy():
    """Whoever reads the contracts and the protocol knows what is measured: no configuration, no files."""
    found = set().union(*(imported(file) for file in FILES if file.parts[:2] == ("bench", "protocol")))
    packages = {name.split(".")[0] for name in found}
    assert packages <= {"bench", "numpy", "torch", *sys.stdlib_module_names}
    assert not packages & {"os", "pathlib", "io", "json"}
