"""Spoilt files, formulas and command lines through what reads them: success or one BenchError, and nothing else.

``python -m tests.fuzz 20000`` tries so many, ``python -m tests.fuzz 20000 7`` with another seed. The same seed tries
the same inputs.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import re
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
from mutations import (
    WORDS,
    spoilt_bytes,
    spoilt_csv,
    spoilt_header,
    spoilt_json,
    spoilt_npz,
    spoilt_text,
)
from reporting_examples import CURVES, result, stealth_line

from attacks.formula import Formula
from bench.__main__ import main
from bench.artifacts.episodes import load_episodes, write_record
from bench.artifacts.files import sha256, write_json
from bench.artifacts.results import find_result, read_curves, write_curves, write_result
from bench.artifacts.teams import load_team, save_team
from bench.artifacts.yaml_files import check_folders
from bench.contracts import Episodes, Labels
from bench.envs.smax import SmaxBattles
from bench.errors import BenchError
from bench.harness.repair import _read as read_repair
from bench.harness.suspects import in_folder
from bench.harness.teams import Store
from bench.leaderboard.curves import add_curves, curves_file, read_gathered
from bench.leaderboard.ranking import ranking
from bench.leaderboard.rows import add_rows, read_leaderboard, result_rows
from bench.leaderboard.stealth import add_row, read_stealth, stealth_file, with_stealth
from bench.marl.learners.q import Learning, QLearner
from bench.reporting.charts import charts
from bench.reporting.report import report

NAN = re.compile(r"\b(nan|inf|infinity)\b", re.IGNORECASE)


@dataclass
class Kind:
    """A kind of file: one that is whole, how it is read, and how it is spoilt beside by bytes."""

    file: Path
    read: Callable[[], object]
    change: Callable[[bytes, Random], bytes] | None = None
    seal: Callable[[], None] = lambda: None  # makes hashes fit that are kept beside
    share: int = 10
    whole: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.whole = self.file.read_bytes()


def as_json(change=spoilt_json):
    return lambda data, rng: change(json.loads(data), rng).encode("utf-8", "surrogatepass")


def sealed(name: str):
    """JSON with a seal over its content, made to fit again after the change."""
    def change(data: bytes, rng: Random) -> bytes:
        text = spoilt_json(json.loads(data)[name], rng)
        try:
            seal = sha256(json.dumps(json.loads(text), sort_keys=True).encode())
        except (ValueError, RecursionError):
            seal = "0" * 64
        return f'{{"sha256": "{seal}", "{name}": {text}}}'.encode()
    return change


def an_episode_file(folder: Path, ending: str) -> None:
    rng = np.random.default_rng(0)
    mask = np.arange(5) < np.array([[5], [3], [4]])
    labels = Labels(np.arange(3), rng.random(3) < 0.5, np.zeros(3, bool), np.zeros((3, 5), bool), np.full(3, -1))
    episodes = Episodes(rng.normal(size=(3, 5, 2, 4)).astype(np.float16), np.ones((3, 5, 2, 6), bool),
                        rng.integers(6, size=(3, 5, 2)).astype(np.uint8), rng.random((3, 5)).astype(np.float32),
                        np.repeat(mask[..., None], 2, -1), mask, hidden_labels=labels)
    write_record(folder / f"test.{ending}", episodes)
    write_record(folder / f"test-labels.{ending}", labels)


def kinds(folder: Path) -> dict[str, Kind]:
    """A whole file of every kind."""
    for name in ("npz", "parquet", "manifest", "runs", "team", "holdout", "conf/detector", "partial"):
        (folder / name).mkdir(parents=True)
    found: dict[str, Kind] = {}
    for ending in ("npz", "parquet"):
        an_episode_file(folder / ending, ending)
        change = spoilt_npz if ending == "npz" else None
        files = folder / ending / f"test.{ending}", folder / ending / f"test-labels.{ending}"
        for name, file in zip((ending, f"{ending} labels"), files, strict=True):
            found[name] = Kind(file, lambda files=files: load_episodes(*files), change)
    an_episode_file(folder / "manifest", "npz")
    write_json(folder / "manifest" / "manifest.json", {"files": {
        file.name: sha256(file.read_bytes()) for file in (folder / "manifest").glob("*.npz")}})
    found["manifest"] = Kind(folder / "manifest" / "manifest.json",
                             lambda: load_episodes(folder / "manifest" / "test.npz"), as_json())
    run = folder / "runs" / "run"
    cell = replace(result("a", "d", 0.7), config={"a": 1, "attack": {"name": "a"}, "algo": {"name": "vdn"}})
    write_result(run, cell)
    write_curves(run, [CURVES, CURVES])
    found["result"] = Kind(run.with_suffix(".json"), lambda: drawn(folder / "runs"), sealed("result"))
    found["curves"] = Kind(folder / "runs" / "run.curves.json", lambda: drawn(folder / "runs"), sealed("curves"))
    found["report"] = Kind(run.with_suffix(".json"), lambda: command(
        "report", str(run), f"out={folder}"), sealed("result"), share=1)
    table = folder / "l.csv"
    for seed in (0, 1):
        add_rows(table, replace(cell, seed=seed, config_hash=f"{seed:012d}"))
    found["leaderboard"] = Kind(table, lambda: ranked(table), lambda data, rng: spoilt_csv(data.decode(), rng).encode(
        "utf-8", "surrogatepass"))
    add_curves(table, {line["row_id"]: CURVES for line in result_rows(cell)})
    found["gathered curves"] = Kind(curves_file(table), lambda: [charts({},
                                                                        one) for one in read_gathered(table).values()],
                                    lambda data, rng: gzip.compress(as_json()(gzip.decompress(data), rng)))
    add_row(table, stealth_line())
    found["stealth"] = Kind(stealth_file(table), lambda: with_stealth(read_leaderboard(table), read_stealth(table)),
                            lambda data, rng: spoilt_csv(data.decode(), rng).encode("utf-8", "surrogatepass"))
    found |= teams(folder)
    (folder / "conf/detector/own.yaml").write_text("_target_: a.B\nx: &x {y: [1, 2.5, 'z']}\nw: *x\n")
    pieces = ["&a ", "*a", "*x", "[" * 400, "{", "- ", ": ", "!!python/object:os.system ", "\t", "\0", "x: 1\n",
              "<<: *x\n", "%"]
    found["YAML"] = Kind(folder / "conf/detector/own.yaml", lambda: check_folders(["--config-dir",
                                                                                   str(folder / "conf")]),
                         lambda data, rng: spoilt_text(data.decode(), rng, pieces).encode())
    repaired = folder / "repair.csv"
    repaired.write_text("team," + ",".join(f"{n}{e}" for n in ("win_rate", "win_rate_triggered", "asr") for e in
                                          ("", "_low", "_high")) + "\n" + "".join(f"{t}" + ",0.5" * 9 + "\n" for t in
                                                                                  ("delivered", "repaired")))
    found["repair"] = Kind(repaired, lambda: read_repair(repaired), lambda data, rng: spoilt_csv(
        data.decode(), rng).encode("utf-8", "surrogatepass"), share=4)
    return found


def teams(folder: Path) -> dict[str, Kind]:
    battles = SmaxBattles("3m")
    team = QLearner(Learning.of("vdn", steps=1), battles.spec, 0).team()
    found = {}
    about = {"recipe": {"seed": 0}, "curve": [{"steps": 1}], "measured": {"win_rate": {"value": 0.5, "low": 0,
                                                                                       "high": 1}}}
    for name in ("team", "holdout"):
        save_team(folder / name / "t", team, about)
    weights, words = folder / "team" / "t.safetensors", folder / "team" / "t.json"

    def seal() -> None:
        words.write_text(json.dumps(json.loads(words.read_text()) | {"sha256": sha256(weights.read_bytes())}))

    found["checkpoint"] = Kind(weights, lambda: load_team(weights), spoilt_header, seal)
    found["checkpoint's JSON"] = Kind(words, lambda: load_team(weights), as_json())
    (folder / "holdout" / "labels.csv").write_text("checkpoint,backdoored\nt,true\n")
    found["labels.csv"] = Kind(folder / "holdout" / "labels.csv", lambda: in_folder(folder / "holdout"),
                               lambda data, rng: spoilt_csv(data.decode(), rng).encode("utf-8", "surrogatepass"),
                               share=4)
    learning = Learning.of("vdn", steps=200, eval_every=100, eval_battles=8)
    store = Store(folder / "partial" / "p")
    learning.trainer(battles, 0).fit(store, lambda *_: None, folder / "log")

    def resume() -> None:
        trainer = learning.trainer(battles, 0)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            trainer.fit(store, lambda *_: None, folder / "log")

    found["run under way"] = Kind(store.file, resume, spoilt_header, share=3)
    return found


def drawn(runs: Path) -> None:
    """A result and its curves, found and drawn. Numbers that are none are not drawn."""
    base, cell = find_result("run", runs)
    html = report(cell, read_curves(base), None)
    for path in re.findall(r' d="([^"]*)"', html):
        assert not NAN.search(path), path[:200]


def ranked(table: Path) -> None:
    frame = read_leaderboard(table)
    for phase in ("before", "after"):
        ranking(frame, f"{phase}_auroc")


def command(*words: str) -> None:
    """A command in this process; its error is raised."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        code = main(list(words))
    error = [line for line in said.getvalue().splitlines() if line.startswith("error: ")]
    if code == 2 and len(error) == 1 and "BENCH_DEBUG" not in error[0]:
        raise BenchError(f"{error[0]} {words}")
    assert code == 0, f"exit code {code}: {said.getvalue()[-2000:]}"


def one(name: str, kind: Kind, rng: Random) -> BenchError | None:
    """Spoil a file, read it, and put it back; the error that came."""
    changed = kind.change(kind.whole, rng) if kind.change and rng.random() < 0.7 else spoilt_bytes(kind.whole, rng)
    beside = {file: file.read_bytes() for file in kind.file.parent.iterdir() if file.is_file()}
    kind.file.write_bytes(changed)
    with contextlib.suppress(ValueError):
        kind.seal()
    try:
        kind.read()
    except BenchError as error:
        said = str(error)
        other = name in ("YAML", "labels.csv", "report", "run under way")
        assert other or kind.file.stem.split(".")[0] in said, f"who? {said[:300]}"
        assert len(said) < 8_000, f"{len(said)} characters"
        return error
    finally:
        for file, content in beside.items():
            file.write_bytes(content)
    return None


def formula(rng: Random) -> None:
    pieces = ["dx[0]", "dy[1]", "distance[9]", "<", "<=", "==", "and", "or", "not", "(", ")", "-", "1", "1e999",
              "9" * 5000, "[", "]",
              "\0", "é", "__import__", "lambda:0", ";", "\n", "if", "'", '"', "((((" * 30, "not " * 300, "--" * 200]
    text = spoilt_text("0.6 < dx[0] <= 1.0 and not (dy[1] > 0.5 or distance[1] < 0.8)", rng, pieces)
    truth = Formula(text, 2)(np.zeros((3, 2, 3)), 2)
    assert all(part.shape == (3,) for part in truth)


def words(rng: Random) -> None:
    told = [rng.choice(WORDS) for _ in range(rng.choice([1, 1, 2]))]
    base = rng.choice(["run", "train", "check", "leaderboard", "submit", "report", "reproduce", "zoo", "sweep",
                       "models"])
    command(base, *told, "--cfg", "job")


def fuzz(n: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Try ``n`` inputs; returns how often which kind came to what, and what must not have come."""
    rng, outcomes, wrong = Random(seed), Counter(), []
    folder = Path(tempfile.mkdtemp())
    try:
        files = kinds(folder)
        names = [name for name, kind in files.items() for _ in range(kind.share)] + ["formula"] * 40 + ["words"] * 5
        for number in range(n):
            name = rng.choice(names)
            own = Random(f"{seed} {number}")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    warnings.filterwarnings("ignore", category=ResourceWarning)
                    if name in files:
                        outcome = "refused" if one(name, files[name], own) else "read"
                    else:
                        (formula if name == "formula" else words)(own)
                        outcome = "read"
            except BenchError:
                outcome = "refused"
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                outcome = "WRONG"
                wrong.append(f"seed {seed}, input {number}, {name}: {type(error).__name__}: {str(error)[:400]}")
            outcomes[name, outcome] += 1
    finally:
        shutil.rmtree(folder)
    return outcomes, wrong


def show(outcomes: Counter) -> str:
    table = pd.DataFrame({outcome: {name: outcomes[name, outcome] for name, _ in sorted(outcomes)}
                          for outcome in ("read", "refused", "WRONG")})
    return pd.concat([table, table.sum().to_frame("all").T]).to_string()


