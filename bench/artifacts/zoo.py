"""The model zoo: the checkpoints that are shipped with the package, and the manifest of their hashes."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.artifacts.files import read_bytes, read_json, sha256, write_atomic, write_json
from bench.errors import BenchError

FOLDER = Path(__file__).parent / "zoo"
MANIFEST = FOLDER / "manifest.json"


def names() -> list[str]:
    """The shipped teams."""
    return sorted(Path(file).stem for file in read_json(MANIFEST) if file.endswith(".safetensors"))


def check() -> list[str]:
    """The files whose hash was checked. Raises BenchError that names the first file missing, changed or unknown."""
    expected = read_json(MANIFEST)
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


def publish(teams: Path) -> list[str]:
    """Make the finished teams of a folder the shipped ones, in place of all that are there; returns their names."""
    finished = [file for file in sorted(teams.glob("*.json"))
                if not file.stem.endswith(("-latest", ".partial"))]
    if not finished:
        raise BenchError(f"no finished team in {teams}")
    wanted = {MANIFEST.name}
    for description in finished:
        for file in (description, description.with_suffix(".safetensors")):
            write_atomic(FOLDER / file.name, read_bytes(file))
            wanted.add(file.name)
    for file in FOLDER.iterdir():
        if file.name not in wanted:
            file.unlink()
    write_manifest()
    return names()


if __name__ == "__main__":
    print("\n".join(publish(Path(sys.argv[1]) / "teams")))
