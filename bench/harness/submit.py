"""Somebody else's result for the leaderboard: checked, measured again, and added as it was measured here."""

from __future__ import annotations

import importlib
import inspect
import shlex
from pathlib import Path

import pandas as pd
from hydra import compose

from bench import BENCHMARK, plugins
from bench.artifacts import zoo
from bench.artifacts.files import config_hash
from bench.contracts import Result
from bench.errors import BenchError
from bench.harness import Say, Stage
from bench.harness.build import describe
from bench.harness.reproduce import compare, measured_again, rows_of
from bench.harness.words import targets, words_of_config
from bench.reporting.curves import add_curves
from bench.reporting.leaderboard import add_rows, read_leaderboard, result_rows
from bench.reporting.ranking import current
from bench.reporting.schema import validated

VIEWS = "detectors."  # where a detector's parts may come from that are no estimators
# What a row says besides figures, and must say of the cell measured here as well.
FACTS = ("env_version", "clean_sha256", "checkpoint_sha256", "trigger_kind", "agents_poisoned", "poison_rate",
         "kind", "view", "defender", "response", "n_response", "n_fit", "n_calibration", "n_normal", "n_triggered")


def submit(result: Result, what: str, leaderboard: Path, out: Path, stage: Stage,
           say: Say) -> tuple[pd.DataFrame, Result]:
    """Measure a result's cell again and add what is found, rows and curves, to a leaderboard: of the submitted figures
    none is taken over. Returns the figures compared, and the result measured here.

    ``what`` names the result in errors. Raises BenchError, and adds nothing, if it is not acceptable or if a figure
    measured here and one of the result do not lie in each other's intervals, or one of ``FACTS`` differs.
    """
    rows = accepted(result, what)
    _check_sizes(result, what, leaderboard)
    words = words_of(result, what)
    say(f"python -m bench run {shlex.join(words)}")
    again, curves = measured_again(words, out, stage, say)
    now = rows_of(again).set_index("row_id", drop=False)
    if sorted(now.index) != sorted(rows["row_id"]):
        raise BenchError(f"{what}: measured again, the cell has other rows")
    both = []
    for _, row in rows.iterrows():
        _check_facts(row, now.loc[row["row_id"]], what)
        there, back = compare(row, now.loc[row["row_id"]]), compare(now.loc[row["row_id"]], row)
        name = f"{row['row_detector']}, {row['team']}{'' if row['triggered'] else ' without trigger'}"
        both += [part.assign(figure=f"{name}: " + part["figure"]) for part in (there, back[~back["inside"]])]
    found = pd.concat(both, ignore_index=True)
    outside = sorted(set(found.loc[~found["inside"], "figure"]))
    if outside:
        raise BenchError(f"{what}: measured again, {len(outside)} figures fall outside their intervals: "
                         f"{'; '.join(outside[:3])}{' ...' if len(outside) > 3 else ''}")
    add_rows(leaderboard, again)
    add_curves(leaderboard, curves)
    return found, again


def _check_sizes(result: Result, what: str, leaderboard: Path) -> None:
    """Raise BenchError unless a result is of as many battles as the leaderboard's others are."""
    if not leaderboard.exists():
        return
    frame = current(read_leaderboard(leaderboard))
    for purpose, n in result.sizes.items():
        usual = frame[f"n_{purpose}"].mode()
        if len(usual) and n != usual[0]:
            raise BenchError(f"{what} is of {n:,} battles for {purpose}; the leaderboard's results are of {usual[0]:,}")


def _check_facts(row: pd.Series, now: pd.Series, what: str) -> None:
    for name in FACTS:
        said, found = row[name], now[name]
        if pd.isna(said) != pd.isna(found) or (pd.notna(said) and said != found):
            raise BenchError(f"{what}: {name} is {said}; measured again, it is {found}")


def accepted(result: Result, what: str) -> pd.DataFrame:
    """The result's rows, checked against the leaderboard's columns.

    Raises BenchError if the result is of another version, has no figures, was not made by its own configuration, or on
    other teams than the shipped ones.
    """
    if result.benchmark_version != BENCHMARK or result.config.get("benchmark_version") != BENCHMARK:
        raise BenchError(f"{what} has figures of benchmark {result.benchmark_version}; this release measures those of "
                         f"{BENCHMARK}")
    if "after_steps" in result.config:
        raise BenchError(f"{what} was run with after_steps={result.config['after_steps']}; only whole attack periods "
                         "are comparable")
    if result.status != "ok" or not result.rows:
        raise BenchError(f"{what} has no figures: {result.error}")
    rows = validated(pd.DataFrame(result_rows(result)), what)
    if config_hash(result.config) != result.config_hash:
        raise BenchError(f"{what}: config_hash is {result.config_hash}; that of its configuration is "
                         f"{config_hash(result.config)}")
    shipped = zoo.manifest()
    expected = shipped.get(f"{result.checkpoint_id}.safetensors")
    if expected is None:
        raise BenchError(f"{what}: the team {result.checkpoint_id} is not shipped; python -m bench zoo list names "
                         "those that are")
    if result.checkpoints.get("backdoored") != expected:
        raise BenchError(f"{what}: the sha256 of {result.checkpoint_id} is {expected[:12]}..., the result says "
                         f"{str(result.checkpoints.get('backdoored'))[:12]}...")
    for role, digest in result.checkpoints.items():
        if digest not in shipped.values():
            raise BenchError(f"{what}: the {role} team, sha256 {digest[:12]}..., is not a shipped one")
    return rows


def words_of(result: Result, what: str) -> list[str]:
    """The words that measure the result's cell. Raises BenchError if its detector is not to be had here."""
    for target in targets(result.config.get("detector")):
        _check_class(target, what)
    words = words_of_config(result.config)
    name = describe(compose("config", plugins.words(words)), None)[1]
    if name != result.detector:
        raise BenchError(f"{what}: its detector '{result.detector}' is called '{name}' here; install the package that "
                         "offers it, or give --config-dir")
    return words


def _check_class(target: str, what: str) -> None:
    """A detector is somebody's code, and is run; but nothing is called that is not a class that learns, or one of this
    benchmark's."""
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise BenchError(f"{what}: its detector {target} cannot be imported here ({error}); install its package, or "
                         "run this in its folder") from None
    if not inspect.isclass(found) or not (hasattr(found, "fit") or target.startswith(VIEWS)):
        raise BenchError(f"{what}: {target} is no detector or estimator: it is no class with fit")
