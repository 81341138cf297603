"""What the suites for attacks and for algorithms have in common: a store that kills, and what two teams differ in."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from bench.artifacts.files import read_bytes, read_json
from bench.artifacts.teams import load_team, save_team
from bench.conformance.subject import Broken
from bench.conformance.walk import expect
from bench.contracts import Store
from bench.errors import BenchError
from bench.marl.learners import require_known
from bench.marl.team import Team

SEED, KILLS = 20_021, 3  # of what is made, twice; how often a run is killed
ARRAYS = {"f": "real numbers", "i": "whole numbers", "b": "bool"}


class Killed(BaseException):
    """The end of a run that a store has killed."""


class Kept:
    """A :class:`bench.contracts.Store` in memory, which holds what a file would; it may kill the run that has just
    written itself down."""

    def __init__(self) -> None:
        self.kills = False
        self._saved: tuple[bytes, str] | None = None
        self._parts: dict[str, bytes] = {}

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        return None if self._saved is None else (safetensors.torch.load(self._saved[0]), json.loads(self._saved[1]))

    def save(self, tensors: dict[str, Any], values: dict[str, Any], team: Any) -> None:
        self._saved = _bytes(tensors), json.dumps(values)
        _bytes(team.tensors())
        if self.kills:
            raise Killed

    def save_part(self, name: str, tensors: dict[str, Any]) -> None:
        self._parts[name] = _bytes(tensors)

    def load_part(self, name: str) -> dict[str, Any]:
        return safetensors.torch.load(self._parts[name])

    def keep_parts(self, names: Collection[str]) -> None:
        self._parts = {name: part for name, part in self._parts.items() if name in names}

    def also(self, changes: dict[str, Any], team: Any, curve: list[dict[str, float]]) -> None:
        """A further team is of no interest here."""


def _bytes(tensors: dict[str, Any]) -> bytes:
    return safetensors.torch.save({name: value.detach().contiguous() for name, value in tensors.items()})


def killed(run: Callable[[Store], Team]) -> Team:
    """The team of a run that was killed each of the first times that it wrote itself down, and went on."""
    store = Kept()
    for _ in range(KILLS):
        store.kills = True
        try:
            return run(store)
        except Killed:
            store.kills = False
    return run(store)


def same_weights(one: Team, other: Team, when: str) -> None:
    """Broken unless the teams are the same to the last bit."""
    expect(set(one.tensors()) == set(other.tensors()), f"the team has other tensors {when}")
    for name, value in one.tensors().items():
        expect(torch.equal(value, other.tensors()[name]), f"tensor '{name}' is another one {when}")


def filed(team: Team) -> tuple[bytes, list[str], Team]:
    """(the header of a team's file, the names in its JSON, the team read back from them)."""
    trusted = {type(team).__module__.partition(".")[0]}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "team"
        try:
            require_known(team, trusted)
            save_team(base, team, {})
            data = read_bytes(base.with_suffix(".safetensors"))
            about = read_json(base.with_suffix(".json"))
            return data[: 8 + int.from_bytes(data[:8], "little")], list(about), load_team(base, trusted)[0]
        except BenchError as error:
            raise Broken(str(error).replace(f"{folder}/", "")) from None


def array(what: str, value: np.ndarray, shape: tuple[int, ...], kinds: str) -> None:
    """Broken unless an array has this shape, one of these kinds of type (as numpy calls them), and is finite."""
    expect(value.shape == shape, f"{what} has shape {value.shape}, not {shape}")
    expect(value.dtype.kind in kinds, f"{what}: of type {value.dtype}; expected {ARRAYS[kinds[0]]}")
    expect(bool(np.isfinite(value).all()), f"{what} holds numbers that are not finite")


def curve(rows: Any, needed: Collection[str]) -> None:
    """Broken unless rows are a curve as checkpoints keep it, with these names in each row."""
    expect(isinstance(rows, list) and bool(rows), "the curve has no row")
    for row in rows:
        for name in needed:
            expect(name in row, f"a row of the curve has no '{name}'")
        for name, value in row.items():
            sane = isinstance(value, int | float) and bool(np.isfinite(value))
            expect(sane, f"'{name}' is {value!r} in the curve; expected finite numbers of Python's own")
