"""A full disk in every stage: ``python tests/fuzz/disk.py [STAGE ...]``, as root, on Linux.

Each stage's folder is a small drive of memory, with so little left on it that it fails at one file or another. Each
time there must be one line, exit code 2 and nothing half-written: no temporary file, and no file that an undisturbed
command does not leave. With room again, the same command must go on to the same files.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.marl.process import single_thread_environment, tune

single_thread_environment()
tune()
from stages import CHAIN, LEADERBOARD, content, differing, plugin

from bench.__main__ import main

OUT = ["out={out}", "leaderboard={out}/leaderboard.csv"]
ONE = ["+sweep.name=s", "+sweep.grids=[{detector: [constant]}]"]
STAGES = {
    "train": ["train", "env=meeting", "budget=smoke", "algo=climbing", "algo.steps=2_000", *OUT],
    "inject": ["inject", *CHAIN, *OUT], "run": ["run", *CHAIN, "detector=isoforest", *OUT],
    "export": ["export", *CHAIN, "labels=true", *OUT], "sweep": ["sweep", *CHAIN, *ONE, *OUT],
    "store": ["sweep", *CHAIN, *ONE, *OUT, "store={out}/store"], "leaderboard": [*LEADERBOARD, "cells.seed=0", *OUT]}
LEFT = (0, 1, 8, 64)  # pages of 4 KiB on the drive: 0 and 1 are too few for any team
SIZE = 16 * 2**20  # of the drive
FILL = "filling"
UNDER_WAY = (".partial.", "-latest.")  # of a training: whole files, which the same command reads and removes


@contextlib.contextmanager
def drive() -> Iterator[Path]:
    """A drive of memory. Raises OSError where none can be mounted."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], capture_output=True)
        if done.returncode:
            raise OSError(done.stderr.decode())
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path, left: int) -> None:
    """Write a file that leaves so many pages on a drive."""
    (folder / FILL).unlink(missing_ok=True)
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with open(folder / FILL, "xb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - left * 4096, 1))


def call(name: str, folder: Path) -> tuple[int, list[str]]:
    """Run a stage in a folder, in this process but for the jobs of sweeps: its exit code and its errors."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main([word.replace("{out}", str(folder / "out")) for word in STAGES[name]])
    lines = said.getvalue().splitlines()
    return code, [line for line in lines if line.startswith(("error: ", "Traceback"))]


def full(name: str, folder: Path, lefts: Sequence[int]) -> list[str]:
    """Try a stage with so many pages left, then with room; how often it was refused, and what must not have come."""
    out, wrong, refused = folder / "out", [], 0
    shutil.rmtree(out, ignore_errors=True)
    code, said = call(name, folder)
    assert code == 0, said
    whole = content(out)
    for left in lefts:
        shutil.rmtree(out)
        out.mkdir()
        fill(folder, left)
        code, said = call(name, folder)
        odd = [name for name in content(out) if name not in whole and not any(part in name for part in UNDER_WAY)]
        if (code, len(said)) not in ((0, 0), (2, 1)) or odd:
            wrong.append(f"{name}, {left} pages left: exit code {code}, {said[:3]}, {odd or 'nothing'} half-written")
        refused += code == 2
        print(f"{name}, {left} pages left: {code} {said[0] if said else ''}", flush=True)
        (folder / FILL).unlink()
        code, said = call(name, folder)
        if code or content(out) != whole:
            wrong.append(f"{name}, {left} pages left, then room: exit code {code}, {said[:3]}, "
                         f"{differing(content(out), whole)} differ")
    print(f"{name}: {refused} of {len(lefts)} refused, {len(wrong)} WRONG", flush=True)
    return wrong


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as packages, drive() as where:
        os.environ["PYTHONPATH"] = str(plugin(Path(packages)))
        sys.path.insert(0, packages)
        faults = [fault for stage in sys.argv[1:] or STAGES for fault in full(stage, where, LEFT)]
    print(*faults, sep="\n")
    sys.exit(bool(faults))
