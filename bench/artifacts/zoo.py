"""The model zoo: the checkpoints that are shipped with the package, and the manifest of their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.artifacts.files import read_bytes, read_json, sha256, write_atomic, write_json
from bench.artifacts.kinds import HASHES
from bench.artifacts.reading import valid
from bench.errors import BenchError

FOLDER = Path(__file__).parent / "zoo"
MANIFEST = FOLDER / "manifest.json"


def names() -> list[str]:
    """The shipped teams."""
    return sorted(Path(file).stem for file in manifest() if file.endswith(".safetensors"))


def manifest() -> dict[str, str]:
    """File -> sha256, of all that is shipped."""
    return valid(HASHES, read_json(MANIFEST), MANIFEST, "manifest")


def check() -> list[str]:
    """The files whose hash was checked. Raises BenchError that names the first file missing, changed or unknown."""
    expected = manifest()
    present = {file.name for file in FOLDER.iterdir()} - {MANIFEST.name}
    for file in sorted(present - expected.keys()):
        raise BenchError(f"{FOLDER / file} is not in the manifest")
    for file, digest in expected.items():
        found = sha256(read_bytes(FOLDER / file))
        if found != digest:
            raise BenchError(f"{FOLDER / file} is corrupt: its sha256 is {found[:12]}..., the manifest says "
                             f"{digest[:12]}...")
    return sorted(expected)


def write_manifest() -> None:
    """Take the folder's present files as the shipped ones."""
    write_json(MANIFEST, {file.name: sha256(file.read_bytes()) for file in sorted(FOLDER.iterdir())
                          if file.suffix in (".safetensors", ".json") and file != MANIFEST})


def publish(teams: Sequence[Path]) -> list[str]:
    """Make teams, given by their files without endings, the shipped ones, in place of all that are there; their names.
    """
    files = [base.with_name(base.name + ending) for base in teams for ending in (".json", ".safetensors")]
    for file in files:
        if file.parent != FOLDER:
            write_atomic(FOLDER / file.name, read_bytes(file))
    wanted = {MANIFEST.name, *(file.name for file in files)}
    for present in FOLDER.iterdir():
        if present.name not in wanted:
            present.unlink()
    write_manifest()
    return names()
