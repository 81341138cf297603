"""Checkpoints: a team as NAME.safetensors (weights) and NAME.json (what it is). Shipped ones are stored by network, see
:mod:`bench.artifacts.zoo`.

Never pickle: teams come from attackers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from bench.artifacts import zoo
from bench.artifacts.files import read_bytes, read_json, sha256, write_atomic, write_json
from bench.artifacts.kinds import CHECKPOINT, LARGEST
from bench.artifacts.reading import corrupt, valid
from bench.errors import BenchError, unknown
from bench.marl.learners import architecture
from bench.marl.team import Team

FORMAT = 1
OWN = "agent."  # begins the names of what every agent has its own of, (agent, ...)


def save_team(path: Path, team: Team, about: Mapping[str, Any]) -> None:
    """Write ``path``.safetensors, then ``path``.json with ``about``, the environment and the sha256 of the weights.

    A clean and a backdoored team of one environment and algorithm differ in no name, shape or size.
    """
    digest = sha256(write_tensors(path.with_name(path.name + ".safetensors"), team.tensors()))
    write_json(path.with_name(path.name + ".json"), {
        "format": FORMAT, "algo": team.algo, "architecture": team.architecture, "env": asdict(team.spec),
        "sha256": digest, **about})


def load_team(path: Path, trusted: Collection[str] = ()) -> tuple[Team, dict[str, Any]]:
    """The team at ``path`` (with or without an ending) and what its JSON file says.

    Parameters
    ----------
    trusted : top-level modules, besides this benchmark's, whose architectures the file may name.

    Raises
    ------
    BenchError : a file is missing, is not what its hash says, is a pickle, does not fit its environment, or is of an
        architecture that is not here or not trusted.
    """
    base = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    if path.suffix not in ("", ".safetensors", ".json") and path.is_file():
        raise _not_safetensors(path, read_bytes(path))
    tensors, about = _shipped(base) if zoo.holds(base) else _in_one_file(base)
    described = valid(CHECKPOINT, about, base.with_name(base.name + ".json"), "description of a team")
    spec, algo = described.env, described.algo
    kind = architecture(described.architecture, f"in {base.name}.json", trusted)
    if algo not in kind.algorithms:
        raise unknown(f"algorithm in {base.name}.json", algo, kind.algorithms)
    sizes = (spec.n_agents, spec.observation_size, spec.state_size, spec.n_actions)
    if not all(0 < size <= LARGEST for size in sizes):
        raise BenchError(f"{base}.json names sizes of an environment that cannot be: {sizes}")
    with torch.device("meta"):  # shapes alone, no memory: the sizes come from a stranger
        expected = kind.shapes(algo, spec)
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if found != expected:
        wrong = sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
        raise BenchError(f"{base}.safetensors does not hold a {algo} team for {spec.id}: tensor '{wrong[0]}' is "
                         f"{found.get(wrong[0], 'missing')}, expected {expected.get(wrong[0], 'none')}")
    for name, value in tensors.items():
        if value.dtype != torch.float32 or not value.isfinite().all():
            raise BenchError(f"{base}.safetensors does not hold a team: tensor '{name}' holds something else than "
                             "finite float32")
    return kind.of(algo, spec, tensors), about


def ship_team(base: Path) -> None:
    """Put the team that is in one file at ``base`` among the shipped ones, each of its networks stored once.

    Raises BenchError if it is not whole."""
    tensors, about = _in_one_file(base)
    described = valid(CHECKPOINT, about, base.with_name(base.name + ".json"), "description of a team")
    own = {name: value for name, value in tensors.items() if name.startswith(OWN)}
    rest = {name: value for name, value in tensors.items() if name not in own}
    networks = [_store({name: value[agent] for name, value in own.items()}) for agent in range(described.env.n_agents)]
    write_json(zoo.FOLDER / f"{base.name}.json", about | {"networks": networks, "rest": _store(rest) if rest else None})


def _store(tensors: Mapping[str, Tensor]) -> str:
    """Put tensors into the zoo under their hash, which is returned."""
    data = _bytes(tensors)
    digest = sha256(data)
    if not zoo.network(digest).exists():
        write_atomic(zoo.network(digest), data)
    return digest


def _shipped(base: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a shipped team, laid out as those of all teams, and what its JSON file says."""
    if not base.with_name(f"{base.name}.json").exists():
        raise BenchError(f"no checkpoint at {base}.json")
    about, parts = zoo.described(base.name)
    found = {digest: _stored(digest) for digest in {*parts.networks, parts.rest} if digest}
    networks = [found[digest] for digest in parts.networks]
    tensors = {name: torch.stack([network[name] for network in networks]) for name in networks[0]}
    return tensors | (found[parts.rest] if parts.rest else {}), about


def _stored(digest: str) -> dict[str, Tensor]:
    tensors, found = read_tensors(zoo.network(digest))
    if found != digest:
        raise BenchError(f"{zoo.network(digest)} is corrupt: its sha256 is {found[:12]}...")
    return tensors


def _in_one_file(base: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of NAME.safetensors, which have the hash that NAME.json says, and what else that says."""
    file = base.with_name(f"{base.name}.safetensors")
    if not file.exists():
        raise BenchError(f"no checkpoint at {file}")
    tensors, digest = read_tensors(file)
    about = read_json(base.with_name(f"{base.name}.json"))
    if about.get("sha256") != digest:
        raise BenchError(f"{file} is corrupt: its sha256 is {digest[:12]}..., {base.name}.json says "
                         f"{str(about.get('sha256'))[:12]}...")
    return tensors, about


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Write a safetensors file atomically; returns what is in it."""
    data = _bytes(tensors, metadata)
    write_atomic(path, data)
    return data


def _bytes(tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    return safetensors.torch.save({name: value.detach().contiguous() for name, value in tensors.items()}, metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """The tensors of a safetensors file, and its sha256. BenchError if it is anything else."""
    data = read_bytes(path)
    try:
        return safetensors.torch.load(data), sha256(data)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError):
        raise _not_safetensors(path, data) from None


def read_metadata(path: Path) -> dict[str, str]:
    """What was written beside the tensors of a safetensors file. BenchError if it is none."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except FileNotFoundError:
        raise
    except (safetensors.SafetensorError, OSError, ValueError):
        raise corrupt(path, "it is not a whole safetensors file") from None


def _not_safetensors(path: Path, data: bytes) -> BenchError:
    """What to say of a file that did not read as safetensors: the first bytes of one can be those of a pickle, too."""
    if data[:1] == b"\x80" or data[:4] == b"PK\x03\x04":
        return BenchError(f"{path} is a pickle, which could run code of its author; only safetensors files are read")
    return BenchError(f"{path} is corrupt: it is not a whole safetensors file")
