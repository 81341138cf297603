"""Commands killed at random times, and called again: ``python tests/fuzz/kills.py [KILLS] [SEED] [COMMAND ...]``.

Each time the same command must succeed afterwards, leave no process, no temporary file, no lock and no run under way,
and the same files as an undisturbed one, but for times.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

TINY = ["env.map=3m", "budget=smoke", "control=null"]
COMMANDS = {
    "run": ["run", *TINY, "attack.victim=1"], "train": ["train", "env.map=3m", "budget=smoke", "algo.eval_every=500"],
    "inject": ["inject", "env.map=3m", "budget=smoke", "algo.eval_every=500", "attack=rewarded", "attack.victim=1",
               "attack.retraining.eval_every=500"],
    "export": ["export", *TINY, "labels=true"],
    "sweep": ["sweep", *TINY, "+sweep.name=s", "+sweep.grids=[{detector: [isoforest, constant]}]"],
    "leaderboard": ["leaderboard", *TINY, "+sweep.name=s", "+sweep.grids=[{detector: [isoforest, constant]}]"]}
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TIMES = re.compile(r'"seconds": [^,\n]*')  # of teams; their weights and all else are to be the same bytes
ROOT = Path(__file__).parents[2]


def start(name: str, out: Path) -> subprocess.Popen:
    words = [*COMMANDS[name], f"out={out}", f"leaderboard={out}/leaderboard.csv"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not ignored, as of a shell's background job
    try:
        return subprocess.Popen([sys.executable, "-m", "bench", *words], cwd=ROOT, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, env=os.environ | {"BENCH_KILLED": str(out)})
    finally:
        signal.signal(signal.SIGINT, before)


def running(out: Path) -> list[int]:
    """Processes that were started for this folder."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"BENCH_KILLED={out}".encode() in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
        except OSError:
            continue
    return found


def content(out: Path) -> dict[str, bytes | str]:
    """What a command has left, without times."""
    found: dict[str, bytes | str] = {}
    for file in sorted(out.rglob("*")):
        if not file.is_file() or "tensorboard" in file.parts:
            continue
        name = str(file.relative_to(out))
        if name.startswith("teams/") and file.suffix == ".json":
            found[name] = TIMES.sub("", file.read_text())
        else:
            found[name] = file.read_bytes() if file.suffix == ".safetensors" else "there"
    return found


def figures(out: Path) -> list:
    """The figures of all results."""
    files = [file for file in sorted(out.glob("runs/*.json")) if not file.name.endswith("curves.json")]
    results = [json.loads(file.read_text())["result"] for file in files]
    return [[one["figures"], one["rows"], one["config_hash"]] for one in results]


def once(name: str, rng: Random, folder: Path, whole: tuple, longest: float) -> str:
    """Kill a command at a random time, some of them twice, and call it again; "" if all is well."""
    out = folder / "out"
    said = []
    for _ in range(rng.choice([1, 1, 2])):
        number, when = rng.choice(SIGNALS), rng.uniform(0.5, longest)
        process = start(name, out)
        try:
            process.wait(when)
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        began = time.monotonic()
        try:
            _, error = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"{number.name} after {when:.1f} s: still there after 30 s"
        took = time.monotonic() - began
        said.append(f"{number.name} after {when:.1f} s")
        if took > 6 or process.returncode not in (0, 130, -signal.SIGKILL):
            return f"{said}: ended with {process.returncode} after {took:.1f} s: {error[-300:]}"
        time.sleep(1)
        if left := running(out):
            return f"{said}: processes {left} are left"
    again = start(name, out)
    _, error = again.communicate(timeout=300)
    if again.returncode:
        return f"{said}: called again, it ended with {again.returncode}: {error[-300:]}"
    if (content(out), figures(out)) != whole:
        differing = sorted({*content(out)} ^ {*whole[0]}) or [n for n, c in content(out).items() if c != whole[0][n]]
        return f"{said}: called again, it left something else: {differing or 'figures'}"
    return ""


def kills(n: int, seed: int = 0, names: tuple[str, ...] = tuple(COMMANDS)) -> tuple[Counter, list[str]]:
    """Kill ``n`` commands, and tell of each; returns how often which came to what, and what must not have come."""
    outcomes: Counter = Counter()
    wrong = []
    undisturbed: dict[str, tuple[tuple, float]] = {}
    for number in range(n):
        rng, name = Random(f"{seed} {number}"), names[number % len(names)]
        with tempfile.TemporaryDirectory() as folder:
            if name not in undisturbed:
                began = time.monotonic()
                process = start(name, Path(folder) / "whole")
                _, error = process.communicate(timeout=300)
                assert process.returncode == 0, error
                whole = content(Path(folder) / "whole"), figures(Path(folder) / "whole")
                undisturbed[name] = whole, time.monotonic() - began
            found = once(name, rng, Path(folder), *undisturbed[name])
            if found:
                wrong.append(f"seed {seed}, kill {number}, {name}: {found}")
            print(number, name, found or "went on", flush=True)
            outcomes[name, "WRONG" if found else "went on"] += 1
            shutil.rmtree(Path(folder) / "out", ignore_errors=True)
    return outcomes, wrong


if __name__ == "__main__":
    counted, faults = kills(*map(int, sys.argv[1:3] or ["10"]), names=tuple(sys.argv[3:]) or tuple(COMMANDS))
    print(*sorted(counted.items()), *faults, sep="\n")
    sys.exit(bool(faults))
