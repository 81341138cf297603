"""Commands that knocks are tried on, and what they leave but for times."""

from __future__ import annotations

import json
import os
import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from bench.artifacts.reading import read_json
from bench.leaderboard.rows import read_leaderboard

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests/plugin_package/src/marl_backdoor_plugin"
# An environment, a learner and an attack of numpy, of a package that is not ours: its teams are trained in a moment.
MEETING = ["env=meeting", "control=null", "budget=smoke"]
CHAIN = ["algo=climbing", "algo.steps=2_000", "attack=lure", *MEETING]
TIMES = re.compile(r'"seconds": [^,\n]*')  # of teams; their weights and all else are to be the same bytes
OF_A_RUN = ["date", "runtime_s", "git_sha"]  # columns of a row that say when and where


def sweep(*more: str) -> list[str]:
    """Two teams, three detectors each."""
    return ["sweep", *CHAIN, "+sweep.name=s", "+sweep.grids=[{seed: [0, 1], detector: [constant, random, bigram]}]",
            *more]


LEADERBOARD = ["leaderboard", *MEETING, "algo.steps=2_000", "+sweep.name=s",
               "+sweep.grids=[{attack: [lure], algo: [climbing], seed: [0, 1], detector: [constant, bigram]}]"]


def plugin(site: Path) -> Path:
    """Install the package of :data:`MEETING` in a folder, for PYTHONPATH."""
    (site / PACKAGE.name).symlink_to(PACKAGE)
    project = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text())["project"]
    (info := site / f"{PACKAGE.name}-{project['version']}.dist-info").mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [line for group, points in project["entry-points"].items()
             for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return site


def running(out: Path) -> list[int]:
    """Processes that were started for a folder: it is in their environment (BENCH_KILLED), or in their command line,
    as of those that an engine's nodes start."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = (f"BENCH_KILLED={out}".encode() in (process / "environ").read_bytes().split(b"\0")
                    or f"out={out}".encode() in (process / "cmdline").read_bytes())
            if ours and (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(process.name))
        except OSError:
            continue
    return found


def content(out: Path) -> dict[str, Any]:
    """What commands have left in a folder, without times: weights, rows and figures, and the names of all else."""
    found: dict[str, Any] = {}
    for file in sorted(out.rglob("*")):
        if not file.is_file() or not {"tensorboard", "slurm"}.isdisjoint(file.parts):
            continue
        name = str(file.relative_to(out))
        if "teams" in file.parts and file.suffix == ".json":
            found[name] = TIMES.sub("", file.read_text())
        elif "runs" in file.parts and file.suffix == ".json" and not name.endswith("curves.json"):
            result = read_json(file)["result"]
            found[name] = json.dumps([result[part] for part in ("figures", "rows", "config_hash")], sort_keys=True)
        elif file.name == "leaderboard.csv":
            found[name] = rows(file)
        else:
            found[name] = file.read_bytes() if file.suffix == ".safetensors" else "there"
    return found


def rows(table: Path) -> str:
    """A leaderboard's rows as text, in an order of their own."""
    frame = read_leaderboard(table).sort_values("row_id", ignore_index=True)
    return frame.drop(columns=OF_A_RUN).to_csv(index=False)


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The files in which two folders differ."""
    return sorted({name for name in {*one, *other} if one.get(name) != other.get(name)})


def agreeing(out: Path) -> list[str]:
    """Results that are others than the store's, to the byte, and rows of another result than the file's."""
    odd, dates = [], {}
    for file in [file for file in out.glob("**/runs/*.json") if not file.name.endswith("curves.json")]:
        stored, result = out / "store/runs" / file.stem, read_json(file)["result"]
        if stored.exists() and zipfile.ZipFile(stored).read("json") != file.read_bytes():
            odd.append(str(file.relative_to(out)))
        dates.setdefault(file.parent.parent, {})[result["config_hash"]] = result["date"]
    for table in out.glob("**/leaderboard.csv"):
        frame = read_leaderboard(table)
        known = [of for folder, of in dates.items() if folder.is_relative_to(table.parent)]
        frame = frame[frame["date"] != frame["config_hash"].map({key: of[key] for of in known for key in of})]
        odd += [f"{table.relative_to(out)}: {row}" for row in frame["row_id"]] if (out / "store").exists() else []
    return odd


def environment(site: Path | None, out: Path) -> dict[str, str]:
    """Of a command whose processes are found by :func:`running`, with the package of :data:`MEETING`."""
    return os.environ | {"BENCH_KILLED": str(out), "PYTHONPATH": f"{site}{os.pathsep}{Path(__file__).parent}"}
