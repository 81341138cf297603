"""Whether figures are what they were: exit code 1 if something differs. Needed until the next release.

python -m tests.equal rows OTHER [N] [SEED] out=FOLDER    the cells of N of the leaderboard's rows, drawn at random,
                            measured by this checkout and by OTHER, a folder with a .venv of its own
python -m tests.equal teams FILE                    every shipped team's battles, without its trigger and with it
python -m tests.equal training FILE                 the weights of short trainings

The last two write hashes to FILE, or compare with those that it has (tests/equal/reference.json). The first goes on
where it was killed. Both checkouts play on one machine, since some battles go otherwise on another, and fewer battles a
cell than the leaderboard has.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from pathlib import Path

from bench.marl.process import single_thread_environment, tune

single_thread_environment()
tune()
import pandas as pd
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from bench import compat, plugins
from bench.artifacts.teams import read_tensors
from bench.build import build
from bench.contracts import Battles
from bench.harness.again import overrides_of_row
from bench.harness.evaluate import silent
from bench.harness.teams import backdoored_team, clean_team
from bench.harness.zoo import places
from bench.leaderboard import shipped
from bench.leaderboard.rows import read_leaderboard
from bench.marl.play import play

LEADERBOARD = Path("leaderboard/leaderboard.csv")
CHANGING = {"row_id", "config_hash", "overrides", "referee", "detector_version", "git_sha", "date", "runtime_s",
            "step_ms"}  # of a measurement or its configuration, and no figures
ABOUT = ["checkpoint_id", "team", "triggered", "detector", "row_detector", "kind"]
FEWER = ("budget.fit_battles=50", "budget.calibration_battles=50", "budget.test_battles=64",
         "budget.accident_battles=64", "budget.response_battles=16")
CLOSE = 1e-6
BATTLES = 8


def rows(other: Path, folder: Path, n: int = 200, seed: int = 0) -> bool:
    """Whether this checkout and another one measure the same in ``n`` rows' cells, to the last stored digit or but for
    rounding. What a team's cells give is written to FOLDER/rows.jsonl, a line a team."""
    stored = read_leaderboard(shipped.to_read(LEADERBOARD))
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "rows.jsonl"
    found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    known = {tuple(line["team"]) for line in found}
    teams: dict[tuple[str, ...], set[str]] = {}
    for _, row in drawn(stored, n, seed).iterrows():
        overrides = overrides_of_row(row)
        team = tuple(override for override in overrides if not override.startswith("detector="))
        teams.setdefault(team, set()).update(set(overrides) - set(team))
    for team, detectors in sorted(teams.items()):
        if team not in known:
            pair = [measured(checkout, folder / name, team, detectors)
                    for name, checkout in (("here", Path.cwd()), ("there", other.resolve()))]
            line = {"team": team, "rows": len(pair[0]), "differences": differences(*pair)}
            found.append(line)
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(*team, line["rows"], "rows", line["differences"] or "equal", flush=True)
    sizes = [size for line in found for *_, size in line["differences"]]
    print(f"{sum(line['rows'] for line in found)} rows of {len(found)} teams; {len(sizes)} figures differ, by at most "
          f"{max(sizes, default=0)}")
    return max(sizes, default=0) <= CLOSE


def drawn(frame: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Rows that have figures, drawn at random: first one of each attack, then one of each detector, then any."""
    shuffled = frame[(frame["status"] == "ok") & (frame["row_detector"] == frame["detector"])].sample(
        frac=1, random_state=seed)
    first = [shuffled.drop_duplicates(name) for name in ("attack", "row_detector")]
    return pd.concat([*first, shuffled]).drop_duplicates("row_id").head(n)


def measured(checkout: Path, out: Path, team: Sequence[str], detectors: Collection[str]) -> pd.DataFrame:
    """The rows that a checkout's own command writes of a team and some detectors, by what they are about."""
    shutil.rmtree(out, ignore_errors=True)
    names = ",".join(sorted(name.removeprefix("detector=") for name in detectors))
    command = ["run", "-m", *team, f"detector={names}", f"out={out}", f"leaderboard={out}/rows.csv",
               "isolation=process", *FEWER]
    subprocess.run([checkout / ".venv/bin/python", "-m", "bench", *command], cwd=checkout, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return pd.read_csv(out / "rows.csv", dtype=str, keep_default_na=False).set_index(ABOUT).sort_index()


def differences(here: pd.DataFrame, there: pd.DataFrame) -> list[tuple[str, str, str, str, float]]:
    """(row, column, value here, value there, by how much) of all that differ; infinite where they are no numbers."""
    assert here.index.equals(there.index), (here.index, there.index)
    assert here.index.is_unique
    columns = [name for name in here.columns if name not in CHANGING]
    return [(" ".join(row), name, here.loc[row, name], value, size(here.loc[row, name], value))
            for name in columns for row, value in there.get(name, pd.Series("missing", there.index)).items()
            if here.loc[row, name] != value]


def size(one: str, other: str) -> float:
    try:
        return abs(float(one) - float(other))
    except ValueError:
        return float("inf")


def teams() -> Iterator[tuple[str, str]]:
    """The name of each shipped team, and the hash of its battles without its trigger and with it."""
    for place in places(compose("config", ["command=zoo"])):
        cfg = compose("config", place.command[1:])
        world = world_of(str(OmegaConf.to_yaml(cfg.env)))
        found = (clean_team(cfg, world, silent, print) if place.attack == "clean"
                 else backdoored_team(cfg, cfg.attack, world, silent, print))
        assert found.name == place.name
        digest = hashlib.sha256()
        for trigger in [None] if found.attack is None else [None, found.attack.trigger]:
            seen = play(world, found.team, BATTLES, 0, trigger=trigger, poisoned=trigger is not None)
            for column in (seen.action, seen.reward, seen.mask, seen.observation, seen.labels.won):
                digest.update(column.tobytes())
        yield place.name, digest.hexdigest()


@cache
def world_of(env: str) -> Battles:
    return build(OmegaConf.create(env), "environment")


def training() -> Iterator[tuple[str, str]]:
    """The name of each algorithm, and the hash of the weights that it has after a short training."""
    for algo in ("vdn", "qmix"):
        with tempfile.TemporaryDirectory() as out:
            cfg = compose("config", [f"algo={algo}", "env.map=3m", "seed=0", "budget=smoke", "algo.eval_battles=8",
                                     "budget.train_steps=20_000", "shipped=false", f"out={out}"])
            made = clean_team(cfg, build(cfg.env, "environment"), silent, print)
            digest = hashlib.sha256()
            for name, tensor in sorted(read_tensors(Path(out, "teams", f"{made.name}.safetensors"))[0].items()):
                digest.update(name.encode() + tensor.numpy().tobytes())
            yield algo, digest.hexdigest()


def same(what: str, hashes: Callable[[], Iterator[tuple[str, str]]], file: Path) -> bool:
    """Whether the hashes are those that the file has; written to it if it has none of them."""
    known = json.loads(file.read_text()) if file.exists() else {}
    found = {}
    for name, value in hashes():
        found[name] = value
        before = known.get(what, {}).get(name)
        print(name, value, "new" if before is None else "equal" if before == value else "DIFFERS", flush=True)
    if what not in known:
        file.write_text(json.dumps(known | {what: found}, indent=1) + "\n")
    for name in known.get(what, {}).keys() - found:
        print(f"{name} is missing")
    return all(found.get(name) == value for name, value in known.get(what, {}).items())


def main(what: str, *words: str) -> bool:
    plugins.register()
    with initialize_config_module("bench.conf", **compat.VERSION):
        if what == "rows":
            (folder,) = (word.removeprefix("out=") for word in words if word.startswith("out="))
            other, *numbers = (word for word in words if not word.startswith("out="))
            return rows(Path(other), Path(folder), *map(int, numbers))
        return same(what, {"teams": teams, "training": training}[what], Path(words[0]))


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
