"""Somebody else's result for the leaderboard: checked, measured again, and added as it was measured here."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from scipy.stats import norm, t

from bench import BENCHMARK
from bench.artifacts import zoo
from bench.artifacts.files import config_hash, sha256, write_atomic
from bench.contracts import FIRST_STEPS, Curves, Result
from bench.errors import BenchError
from bench.leaderboard import shipped
from bench.leaderboard.curves import add_curves
from bench.leaderboard.ranking import current
from bench.leaderboard.rows import add_rows, read_leaderboard, result_rows, rows_of
from bench.leaderboard.schema import validated

# What a row says besides figures, and must say of the cell measured here as well.
FACTS = ("env_version", "clean_sha256", "checkpoint_sha256", "trigger_kind", "agents_poisoned", "poison_rate",
         "kind", "view", "defender", "response", "n_response", "n_fit", "n_calibration", "n_normal", "n_triggered")

SAME = ["row_detector", "team", "triggered"]  # what tells a cell's rows apart
NOW = "_measured_now"
UNCERTAIN = re.compile("_at_[15]fpr|^delay|alarms")
Z, CHANCE = norm.isf(0.025), 0.01


def submit(result: Result, what: str, leaderboard: Path, out: Path,
           measure: Callable[[Path], tuple[Result, dict[str, Curves]]],
           say: Callable[[str], None]) -> tuple[pd.DataFrame, Result]:
    """Measure a result's cell again, in battles that nobody knows, and add what is found, rows and curves, to a
    leaderboard: of the submitted figures none is taken over. Returns the figures compared, and the result measured
    here.

    Parameters
    ----------
    what : the result's name, for errors.
    out : the secret that the battles are drawn by is kept below it, so that the rows can be made again.
    measure : measures the result's cell in the battles that the secret in a file draws; gives the result, and the
        curves of its rows.

    Raises
    ------
    BenchError : the result is not acceptable, a figure differs by more than chance would have it
        (:func:`compared`), or one of ``FACTS`` differs; then nothing is added.
    """
    rows = accepted(result, what)
    _check_sizes(result, what, leaderboard)
    secret = _fresh_secret(out)
    again, curves = measure(secret)
    now = rows_of(again)
    if sorted(map(tuple, now[SAME].to_numpy())) != sorted(map(tuple, rows[SAME].to_numpy())):
        raise BenchError(f"{what}: measured again, the cell has other rows")
    pairs = rows.merge(now, on=SAME, suffixes=("", NOW))
    for _, pair in pairs.iterrows():
        _check_facts(pair, what)
    found = compared(pairs)
    outside = found.loc[~found["inside"], "figure"].tolist()
    if outside:
        raise BenchError(f"{what}: measured again in other battles, {len(outside)} figures differ by more than chance "
                         f"would have it: {'; '.join(outside[:3])}{' ...' if len(outside) > 3 else ''}")
    add_rows(shipped.to_write(leaderboard), again)
    add_curves(leaderboard, curves)
    say(f"the battles were drawn by the secret in {secret}: whoever has it can make these rows again")
    return found, again


def compared(pairs: pd.DataFrame) -> pd.DataFrame:
    """Figures of rows and of the same ones measured in other battles: ``figure``, ``stored``, ``now``, of how many
    ``battles``, and whether they are as near as chance has them (``inside``).

    Two independent estimates of one figure, from as many battles each, differ by more than some times their standard
    error with a chance of 1 % in all figures together (Bonferroni; Student's t, for the error is estimated from as many
    battles). The error of the one is that of the interval measured here; a submitter could draw any interval, so that
    of the other is the greatest that a share can have in so many battles, which holds for AUROCs as well (Birnbaum and
    Klose 1957). Both are at least one battle's worth. A figure that one side lacks is left out, and so are alarms and
    delays: their intervals say nothing of the threshold, which comes from other battles as well.
    """
    lines = []
    names = [low.removesuffix("_low") for low in map(str, pairs)
             if low.endswith("_low") and not UNCERTAIN.search(low) and f"{low}{NOW}" in pairs]
    for _, pair in pairs.iterrows():
        row = f"{pair['row_detector']}, {pair['team']}{'' if pair['triggered'] else ' without trigger'}"
        for name in names:
            stored, now, low, high = (pair[column] for column in (
                name, f"{name}{NOW}", f"{name}_low{NOW}", f"{name}_high{NOW}"))
            if not any(map(pd.isna, (stored, now, low, high))):
                n = max(pair["n_triggered"], 2)
                ours = (high - low) / (2 * Z)
                theirs = math.sqrt(stored * (1 - stored) / n) if 0 <= stored <= 1 else ours
                lines.append({"figure": f"{row}: {name}", "stored": stored, "now": now, "battles": n,
                              "error": math.hypot(max(ours, 1 / n), max(theirs, 1 / n))})
    found = pd.DataFrame(lines)
    limit = t.isf(CHANCE / 2 / max(len(found), 1), found["battles"] - 1)
    return found.assign(inside=(found["stored"] - found["now"]).abs() <= limit * found["error"])


def _fresh_secret(out: Path) -> Path:
    """A file with a secret that nobody has seen."""
    secret = secrets.token_hex(32)
    path = out.absolute() / "referee" / f"{sha256(secret.encode())[:12]}.secret"
    write_atomic(path, f"{secret}\n".encode())
    path.chmod(0o600)
    return path


def _check_sizes(result: Result, what: str, leaderboard: Path) -> None:
    """Raise BenchError unless a result is of as many battles as the leaderboard's others are."""
    there = shipped.to_read(leaderboard)
    if not there.exists():
        return
    frame = current(read_leaderboard(there))
    for purpose, n in result.sizes.items():
        usual = frame[f"n_{purpose}"].mode()
        if len(usual) and n != usual[0]:
            raise BenchError(f"{what} is of {n:,} battles for {purpose}; the leaderboard's results are of {usual[0]:,}")


def _check_facts(pair: pd.Series, what: str) -> None:
    for name in FACTS:
        said, found = pair[name], pair[f"{name}{NOW}"]
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
    if (steps := result.protocol.get("after_steps", FIRST_STEPS)) != FIRST_STEPS:
        raise BenchError(f"{what} was run with after_steps={steps}; comparable are figures of {FIRST_STEPS} steps")
    if result.status != "ok" or not result.rows:
        raise BenchError(f"{what} has no figures: {result.error}")
    rows = validated(pd.DataFrame(result_rows(result)), what)
    if config_hash(result.config) != result.config_hash:
        raise BenchError(f"{what}: config_hash is {result.config_hash}; that of its configuration is "
                         f"{config_hash(result.config)}")
    known = zoo.manifest().teams
    expected = known.get(str(result.checkpoint_id))
    if expected is None:
        raise BenchError(f"{what}: the team {result.checkpoint_id} is not shipped; python -m bench zoo list names "
                         "those that are")
    if result.checkpoints.get("backdoored") != expected:
        raise BenchError(f"{what}: the sha256 of {result.checkpoint_id} is {expected[:12]}..., the result says "
                         f"{str(result.checkpoints.get('backdoored'))[:12]}...")
    for role, digest in result.checkpoints.items():
        if digest not in known.values():
            raise BenchError(f"{what}: the {role} team, sha256 {digest[:12]}..., is not a shipped one")
    return rows
