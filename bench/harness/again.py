"""The cell of a leaderboard's row, or of somebody's result: the words that make it, and measuring it again."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from hydra import compose
from omegaconf import open_dict

from bench import options, plugins
from bench.artifacts.temporary import temporary
from bench.contracts import Curves, Result
from bench.errors import BenchError
from bench.harness import gate
from bench.harness.cell import run
from bench.harness.configuration import describe
from bench.harness.grid import grid, read
from bench.harness.sweep import chosen, hash_of
from bench.harness.teams import Say, Stage
from bench.harness.words import words_of_config
from bench.leaderboard.curves import ENDING, curves_of_cell, wanted
from bench.leaderboard.rows import rows_of


def words_of_row(row: pd.Series, given: Sequence[str], trusted: frozenset[str] = frozenset()) -> list[str]:
    """The words of the command that measures the row's cell: those that make a configuration with its hash.

    Tried are the row's own choices, with the ``given`` words added, and the cells of the shipped sweep.
    Raises BenchError if it is none of them, or the row does not pass the gate.
    """
    cell = gate.cell(row, trusted)
    choices = {key: cell[key] for key in ("attack", "algo", "detector", "seed")}
    sweep = read(compose("config", ["sweep=shipped"]).sweep)
    plain = [f"{key}={value}" for key, value in cell.items()]
    candidates = [[*plain, *given]]
    try:
        cells = grid(chosen(sweep, choices))
    except BenchError:  # not a cell of the shipped sweep
        cells = []
    candidates += [[*sweep.words, *(f"{key}={value}" for key, value in cell.items()), *given] for cell in cells]
    for words in candidates:
        if hash_of(words) == row["config_hash"]:
            return words
    raise BenchError(f"the configuration {row['config_hash']} is not that of: {shlex.join(plain)}; give the values "
                     "that the row was measured with as well")


def words_of_result(result: Result, what: str, trusted: frozenset[str] = frozenset()) -> list[str]:
    """The words that measure the result's cell. Raises BenchError if its configuration does not pass the gate, or its
    detector is not to be had here."""
    try:
        words = words_of_config(result.config, trusted)
    except BenchError as error:
        raise type(error)(f"{what}: {error}") from None
    name = describe(compose("config", plugins.words(words)), None)[1]
    if name != result.detector:
        raise BenchError(f"{what}: its detector '{result.detector}' is called '{name}' here; install the package that "
                         "offers it, or give --config-dir")
    return words


def measured_again(words: Sequence[str], out: Path, stage: Stage, say: Say) -> tuple[Result, dict[str, Curves]]:
    """A cell's result, measured now, and the curves of those rows whose curves a leaderboard keeps; teams that were
    trained below ``out`` are used again."""
    cfg = compose("config", plugins.words(words))
    with temporary(Path(tempfile.gettempdir(), "reproduce"), folder=True) as folder:
        if (out / "teams").is_dir():
            (folder / "teams").symlink_to((out / "teams").absolute())
        with open_dict(cfg):
            cfg.out, cfg.leaderboard = str(folder), f"{folder}/leaderboard.csv"
        result = run(cfg, stage, say=say)
        of_rows = {line["row_id"]: curves for file in folder.glob(f"runs/*{ENDING}")
                   for line, curves in curves_of_cell(file.with_name(file.name.removesuffix(ENDING)))}
    frame = rows_of(result)
    return result, {row: of_rows[row] for row in frame.loc[wanted(frame), "row_id"]}


def measured_in_private(words: Sequence[str], secret: Path, out: Path, stage: Stage, say: Say,
                        trusted: frozenset[str] = frozenset()) -> tuple[Result, dict[str, Curves]]:
    """:func:`measured_again`, in the battles that the secret in a file draws. The packages ``trusted``, of which the
    detector may be, are imported by its own process alone."""
    private = [*words, "isolation=process", f"referee={options.quoted(str(secret))}",
               *([f"plugin=[{','.join(sorted(trusted))}]"] if trusted else [])]
    say(f"python -m bench run {shlex.join(private)}")
    return measured_again(private, out, stage, say)
