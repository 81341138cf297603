"""Commands killed at random times, and called again: ``python tests/fuzz/kills.py [KILLS] [SEED] [COMMAND ...]``.

What is killed is the command, one of its jobs, or a node of the engine that runs them, up to four times in a row. Then
the same commands must succeed, leave no process, no temporary file, no lock, no lease and no run under way, and the
same files and rows as undisturbed ones that ran on this machine's cores, but for times.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from ray_nodes import Nodes, two_nodes
from stages import CHAIN, LEADERBOARD, ROOT, agreeing, content, differing, environment, plugin, running, sweep

TINY = ["env.map=3m", "budget=smoke", "control=null"]
OUT = ["out={out}", "leaderboard={out}/leaderboard.csv"]
STORE = ["out={out}", "store={out}/store", "lease.seconds=4"]
SLURM, RAY = ["executor=slurm", "executor.cluster=local"], ["executor=ray", "executor.retries=9"]
TRAINED = {  # by whole trainings in SMAX, a minute each
    "run": [["run", *TINY, "attack.victim=1", *OUT]],
    "train": [["train", "env.map=3m", "budget=smoke", "algo.eval_every=500", *OUT]],
    "inject": [["inject", "env.map=3m", "budget=smoke", "algo.eval_every=500", "attack=rewarded", "attack.victim=1",
                "attack.retraining.eval_every=500", *OUT]],
    "export": [["export", *TINY, "labels=true", *OUT]]}
ENGINES = {
    "cell": [["run", *CHAIN, "detector=isoforest", *OUT]],
    "sweep": [sweep(*OUT)],
    "leaderboard": [[*LEADERBOARD, *OUT]],
    "store": [sweep(*STORE)],
    "two sweeps": [sweep("out={out}/1", *STORE[1:]), sweep("out={out}/2", *STORE[1:])],  # one store
    "two leaderboards": [[*LEADERBOARD, "out={out}/1", OUT[1]], [*LEADERBOARD, "out={out}/2", OUT[1]]],  # one CSV
    "slurm": [sweep(*SLURM, *OUT)],
    "slurm store": [sweep(*SLURM, *STORE)],
    "ray": [sweep(*RAY, *OUT)],
    "ray store": [sweep(*RAY, *STORE)],
    "node": [sweep(*RAY, *OUT)]}  # a node of Ray is killed, and the sweep ends by itself
BARE = {f"two bare {engine}": [  # sweeps at once of cells that are not measured, with one store and one CSV
    ["bare.py", engine.split(",")[0], cells, f"{{out}}/{number}", "{out}/store", "{out}/leaderboard.csv"]
    for number in "12"] for engine, cells in (("local", "8"), ("slurm", "3"), ("ray", "8"), ("ray, a node", "8"))}
COMMANDS = BARE | ENGINES | TRAINED
HERE = Path(__file__).parent
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
ENDS = 6.0  # seconds in which a command that was told to end does
GONE = 30.0  # seconds in which all that it has started is gone; an engine has to notice first
LONGEST = 300.0


class Knocks:
    """What a command is run and killed in."""

    def __init__(self, rng: Random, out: Path, site: Path, nodes: Nodes | None) -> None:
        self.rng, self.out, self.site, self.nodes, self.said = rng, out, site, nodes, []

    def start(self, words: list[str]) -> subprocess.Popen:
        told = [word.replace("{out}", str(self.out)) for word in words]
        told = [str(HERE / told[0]), *told[1:]] if told[0].endswith(".py") else ["-m", "bench", *told]
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not ignored, as of a shell's background job
        try:
            return subprocess.Popen([sys.executable, *told], cwd=ROOT, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True, env=environment(self.site, self.out))
        finally:
            signal.signal(signal.SIGINT, before)

    def whole(self, commands: list[list[str]]) -> str:
        """Run commands at once to their ends; what went wrong."""
        for process in [self.start(words) for words in commands]:
            _, error = process.communicate(timeout=LONGEST)
            if process.returncode:
                return f"{self.said}: called again, it ended with {process.returncode}: {error[-600:]}"
        return self.left()

    def left(self) -> str:
        """Wait until nothing runs any more; what still does."""
        until = time.monotonic() + GONE
        while (left := running(self.out)) and time.monotonic() < until:
            time.sleep(0.1)
        return f"{self.said}: processes {left} are left" if left else ""

    def kill(self, commands: list[list[str]], longest: float) -> str:
        """Start commands at once, and kill each of them, or one of its jobs, at a random time; what went wrong."""
        processes = [self.start(words) for words in commands]
        hits = sorted((self.rng.uniform(0.5, longest), number) for number in range(len(processes)))
        began = time.monotonic()
        for when, number in hits:
            with contextlib.suppress(subprocess.TimeoutExpired):
                processes[number].wait(max(0.0, when - (time.monotonic() - began)))
            if wrong := self._hit(processes[number], [one.pid for one in processes]):
                return wrong
        return self.left()

    def _hit(self, process: subprocess.Popen, commands: list[int]) -> str:
        number, jobs = self.rng.choice(SIGNALS), sorted({*running(self.out)} - {*commands})
        if process.poll() is None and jobs and self.rng.random() < 0.35:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.rng.choice(jobs), number)
            self.said.append(f"{number.name} to a job")
            _, error = process.communicate(timeout=LONGEST)
            allowed = (0, 2)
        else:
            process.send_signal(number)
            self.said.append(number.name)
            began = time.monotonic()
            try:
                _, error = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                return f"{self.said}: still there after 30 s"
            allowed = (0, 130, -signal.SIGKILL)
            if (took := time.monotonic() - began) > ENDS:
                return f"{self.said}: ended after {took:.1f} s only"
        return "" if process.returncode in allowed else f"{self.said}: {process.returncode}: {error[-600:]}"

    def lose(self, commands: list[list[str]], longest: float) -> str:
        """Kill a node of Ray while it runs commands' jobs; what went wrong. The commands are not called again."""
        assert self.nodes is not None
        processes = [self.start(words) for words in commands]
        with contextlib.suppress(subprocess.TimeoutExpired):
            processes[0].wait(self.rng.uniform(0.3 * longest, longest))
        self.nodes.lose()
        self.said.append("a node lost")
        ended = [(process.communicate(timeout=LONGEST)[1], process.returncode) for process in processes]
        self.nodes.replace()
        return "".join(f"{self.said}: {code}: {error[-600:]}" for error, code in ended if code) or self.left()


def undisturbed(commands: list[list[str]], out: Path, site: Path) -> tuple[dict[str, Any], float]:
    """What commands leave, one after the other and on this machine's cores; the seconds of the first."""
    alone, took = Knocks(Random(), out, site, None), []
    for words in commands:
        began = time.monotonic()
        wrong = alone.whole([["local" if word in ("slurm", "ray") else word for word in words
                              if not word.startswith("executor")]])
        assert not wrong, wrong
        took.append(time.monotonic() - began)
    found = content(out)
    shutil.rmtree(out)
    return found, took[0]


def kills(n: int, seed: int = 0, names: tuple[str, ...] = tuple(COMMANDS)) -> tuple[Counter, list[str]]:
    """Kill ``n`` times and tell of each round; returns how often what was killed came to what, and what must not have
    come."""
    outcomes: Counter = Counter()
    wrong: list[str] = []
    whole: dict[str, tuple[dict[str, Any], float]] = {}
    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        (folder / "site").mkdir()
        site, out = plugin(folder / "site"), folder / "out"
        on_ray = any({"ray", RAY[0]} & {*words} for name in names for words in COMMANDS[name])
        nodes = held.enter_context(two_nodes([site, HERE])) if on_ray else None
        for number, name in enumerate(itertools.cycle(names)):
            if sum(outcomes.values()) >= n:
                break
            commands, knocks = COMMANDS[name], Knocks(Random(f"{seed} {number}"), out, site, nodes)
            if name not in whole:
                whole[name] = undisturbed(commands, out, site)
            found, longest = "", whole[name][1]
            node = name.endswith("node")
            for _ in range(1 if node else min(knocks.rng.randint(1, 4), n - sum(outcomes.values()))):
                found = found or (knocks.lose if node else knocks.kill)(commands, longest)
            found = found or ("" if node else knocks.whole(commands))
            if not found and (odd := differing(content(out), whole[name][0]) or agreeing(out)):
                found = f"{knocks.said}: it left something else: {odd}"
            wrong += [f"seed {seed}, round {number}, {name}: {found}"] if found else []
            print(time.strftime("%X"), number, name, *knocks.said, found or "went on", flush=True)
            outcomes.update((name, what, "WRONG" if found else "went on") for what in knocks.said)
            shutil.rmtree(out, ignore_errors=True)
    return outcomes, wrong


if __name__ == "__main__":
    counted, faults = kills(*map(int, sys.argv[1:3] or ["10"]), names=tuple(sys.argv[3:]) or tuple(COMMANDS))
    print(*sorted(counted.items()), *faults, sep="\n")
    sys.exit(bool(faults))
