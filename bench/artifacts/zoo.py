"""The model zoo: the checkpoints that are shipped with the package, and the manifest of their hashes.

Most of these teams differ from another in one agent, so that here every network is stored once, as
``networks/HASH.safetensors``, and NAME.json names each agent's. All other teams are NAME.safetensors and NAME.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.artifacts.files import read_bytes, read_json, sha256, write_json
from bench.artifacts.kinds import STORED, ZOO, Stored, Zoo
from bench.artifacts.reading import valid
from bench.errors import BenchError

FOLDER = Path(__file__).parent / "zoo"
MANIFEST = FOLDER / "manifest.json"


def names() -> list[str]:
    """The shipped teams."""
    return sorted(manifest().teams)


def manifest() -> Zoo:
    """The hashes of all that is shipped."""
    return valid(ZOO, read_json(MANIFEST), MANIFEST, "manifest of shipped teams")


def holds(base: Path) -> bool:
    """Whether a team, given by its files without endings, is in the folder of the shipped ones."""
    return base.parent.resolve() == FOLDER.resolve()


def described(name: str) -> tuple[dict[str, Any], Stored]:
    """What NAME.json says of a shipped team, and which networks it has."""
    file = FOLDER / f"{name}.json"
    about = read_json(file)
    found = valid(STORED, about, file, "description of a shipped team")
    return {name: value for name, value in about.items() if name not in Stored.model_fields}, found


def network(digest: str) -> Path:
    """Where the network of this hash is."""
    return FOLDER / "networks" / f"{digest}.safetensors"


def check() -> list[str]:
    """The files whose hash was checked. Raises BenchError that names the first file missing, changed or unknown."""
    expected = manifest().files
    for file in sorted(_present() - expected.keys()):
        raise BenchError(f"{FOLDER / file} is not in the manifest")
    for file, digest in expected.items():
        found = sha256(read_bytes(FOLDER / file))
        if found != digest:
            raise BenchError(f"{FOLDER / file} is corrupt: its sha256 is {found[:12]}..., the manifest says "
                             f"{digest[:12]}...")
    return sorted(expected)


def publish(teams: Sequence[Path]) -> list[str]:
    """Make teams, given by their files without endings, the shipped ones, in place of all that are there; their names.

    A team is elsewhere, or here: stored by network, or in one file that somebody has put here.
    """
    from bench.artifacts.teams import ship_team  # torch, which a list of the zoo can do without

    for base in teams:
        if not holds(base) or base.with_name(f"{base.name}.safetensors").exists():
            ship_team(base)
    parts = {base.name: described(base.name)[1] for base in teams}
    wanted = {f"{name}.json" for name in parts} | {
        _name(network(digest)) for team in parts.values() for digest in [*team.networks, team.rest] if digest}
    for file in _present() - wanted:
        (FOLDER / file).unlink()
    _write_manifest(sorted(parts), sorted(wanted))
    return names()


def _write_manifest(teams: Sequence[str], files: Sequence[str]) -> None:
    write_json(MANIFEST, {"teams": {name: read_json(FOLDER / f"{name}.json")["sha256"] for name in teams},
                          "files": {file: sha256(read_bytes(FOLDER / file)) for file in files}})


def _present() -> set[str]:
    """All files but the manifest."""
    return {_name(file) for file in FOLDER.rglob("*") if file.is_file()} - {MANIFEST.name}


def _name(file: Path) -> str:
    return file.relative_to(FOLDER).as_posix()
