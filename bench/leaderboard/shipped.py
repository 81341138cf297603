"""The leaderboard that is shipped: in a checkout's folder ``leaderboard``, or within an installed wheel."""

from __future__ import annotations

from pathlib import Path

from bench.artifacts.files import read_bytes, write_atomic

HERE = Path("leaderboard/leaderboard.csv")  # of the working folder: what commands read and write unless told otherwise
BESIDE = ("teams.csv", "curves.json.gz", "stealth.csv")
_FOLDERS = (Path(__file__).parents[1] / "shipped", Path(__file__).parents[2] / "leaderboard")


def leaderboard() -> Path | None:
    """The shipped CSV, or None where it was taken away."""
    return next((folder / HERE.name for folder in _FOLDERS if (folder / HERE.name).is_file()), None)


def to_read(path: Path) -> Path:
    """``path``; but the shipped CSV where ``path`` is :data:`HERE` and nothing is there."""
    return leaderboard() or path if path == HERE and not path.exists() else path


def to_write(path: Path) -> Path:
    """``path``; where it is :data:`HERE` and nothing is there, it begins as a copy of the shipped rows, and
    :data:`BESIDE` come with it."""
    shipped = leaderboard()
    if path == HERE and not path.exists() and shipped is not None:
        for name in BESIDE:
            if (beside := shipped.with_name(name)).is_file() and not path.with_name(name).exists():
                write_atomic(path.with_name(name), read_bytes(beside))
        write_atomic(path, read_bytes(shipped))
    return path
