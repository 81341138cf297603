"""Whether figures are what they were: exit code 1 if something differs. Needed until the next release.

python -m tests.equal rows [N] [SEED] out=FOLDER    N rows of the leaderboard, drawn at random, measured again
python -m tests.equal teams FILE                    every shipped team's battles, without its trigger and with it
python -m tests.equal training FILE                 the weights of short trainings

The last two write hashes to FILE, or compare with those that it has (tests/equal/reference.json). The first goes on
where it was killed; it takes hours of one core: 25 rows took twenty minutes. The CSV was
made on another machine, where some battles go otherwise: what differs is to be measured by both commits on one machine.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
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
from bench.contracts import RECORDABLE, Battles
from bench.harness.again import overrides_of_row
from bench.harness.cell import run
from bench.harness.composed import composed
from bench.harness.evaluate import silent
from bench.harness.remembered import Memory
from bench.harness.teams import backdoored_team, clean_team
from bench.harness.zoo import places
from bench.leaderboard import shipped
from bench.leaderboard.rows import read_leaderboard, rows_of
from bench.marl.play import play

LEADERBOARD = Path("leaderboard/leaderboard.csv")
CHANGING = {"detector_version", "git_sha", "date", "runtime_s", "step_ms"}  # of a measurement, and no figures
CLOSE = 1e-6
BATTLES = 8


class Everything(Memory):
    """Keeps all that can be recorded, so that no team is played again for the next detector."""

    def watched(self, key, record, play):
        return super().watched(key, record | frozenset(RECORDABLE), play)


def rows(folder: Path, n: int = 200, seed: int = 0) -> bool:
    """Whether ``n`` rows are what they were, to the last stored digit or but for rounding. What differs is written to
    FOLDER/rows.jsonl, a line a row."""
    stored = pd.read_csv(shipped.to_read(LEADERBOARD), dtype=str, keep_default_na=False).set_index("row_id")
    typed = read_leaderboard(shipped.to_read(LEADERBOARD)).set_index("row_id", drop=False)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "rows.jsonl"
    found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    left = drawn(typed, n, seed)
    chosen = set(left["row_id"])
    left = left[~left["row_id"].isin([line["row_id"] for line in found])]
    commands = {key: tuple(overrides_of_row(cell.iloc[0])) for key, cell in left.groupby("config_hash")}
    memory = Everything()
    for key, words in sorted(commands.items(), key=lambda command: [w for w in command[1] if "detector=" not in w]):
        ids = left.loc[left["config_hash"] == key, "row_id"].tolist()
        now = measured(words, memory)
        for row in ids:
            line = {"row_id": row, "words": words, "differences": differences(stored.loc[row], now.loc[row])}
            found.append(line)
            with log.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(row, *words, line["differences"] or "equal", flush=True)
    found = [line for line in found if line["row_id"] in chosen]
    sizes = [size for line in found for *_, size in line["differences"].values()]
    print(f"{sum(not line['differences'] for line in found)} of {len(found)} rows are equal to the last digit; "
          f"{len(sizes)} figures differ, by at most {max(sizes, default=0)}")
    return max(sizes, default=0) <= CLOSE


def drawn(frame: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """Rows that have figures, drawn at random: first one of each attack, then one of each detector, then any."""
    shuffled = frame[frame["status"] == "ok"].sample(frac=1, random_state=seed)
    first = [shuffled.drop_duplicates(name) for name in ("attack", "row_detector")]
    return pd.concat([*first, shuffled]).drop_duplicates("row_id").head(n)


def measured(words: tuple[str, ...], memory: Memory) -> pd.DataFrame:
    """The rows of a cell as the CSV would have them, by their ids."""
    with tempfile.TemporaryDirectory() as out:
        cfg = composed([*words, f"out={out}", f"leaderboard={out}/leaderboard.csv"])
        file = Path(out, "rows.csv")
        rows_of(run(cfg, silent, memory=memory)).to_csv(file, index=False)
        return pd.read_csv(file, dtype=str, keep_default_na=False).set_index("row_id")


def differences(stored: pd.Series, now: pd.Series) -> dict[str, tuple[str, str, float]]:
    """Column -> what is stored, what was measured and by how much they differ; infinite where they are no numbers."""
    return {name: (stored[name], now.get(name, "missing"), size(stored[name], now.get(name, "missing")))
            for name in stored.index if name not in CHANGING and stored[name] != now.get(name)}


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
            return rows(Path(folder), *(int(word) for word in words if not word.startswith("out=")))
        return same(what, {"teams": teams, "training": training}[what], Path(words[0]))


if __name__ == "__main__":
    sys.exit(not main(*sys.argv[1:]))
