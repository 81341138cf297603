"""The cell of a leaderboard's row, or of somebody's result: the overrides that make it, and measuring it again."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from hydra.errors import HydraException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from bench import BENCHMARK, options
from bench.artifacts.files import config_hash
from bench.artifacts.temporary import temporary
from bench.contracts import Curves, Result
from bench.errors import BenchError, shown
from bench.harness import gate
from bench.harness.composed import composed
from bench.harness.configuration import Description, describe
from bench.leaderboard.curves import ENDING, curves_of_cell, wanted
from bench.leaderboard.rows import rows_of
from bench.overrides import explained

if TYPE_CHECKING:
    from bench.harness.teams import Say, Stage


def overrides_of_row(row: pd.Series, trusted: frozenset[str] = frozenset(), own: Sequence[str] = ()) -> list[str]:
    """The overrides of the command that measures the row's cell, and the user's ``own``, which a row cannot hold: where
    the secret is that its battles were drawn by (``referee=FILE``), or its clean team (``clean=FILE``).

    Raises BenchError if the row says none, they do not pass the gate, or they make another cell than the row's.
    """
    if pd.isna(row["overrides"]):
        raise BenchError(f"row {row['row_id']} does not say how it was made: it is of before rows did, or its detector "
                         "was handed over as an object")
    try:
        given = shlex.split(row["overrides"])
    except ValueError as error:
        raise BenchError(f"the overrides of row {row['row_id']} are none of a command: {error}") from None
    overrides = [*gate.overrides(given, trusted), *own]
    if config_hash(_described(overrides, f"row {row['row_id']}").config) != row["config_hash"]:
        raise BenchError(f"the configuration {row['config_hash']} is not that of: {shlex.join(overrides)}; did the cell"
                         " have a secret or a clean team of its own? referee=FILE, clean=FILE")
    return overrides


def overrides_of_result(result: Result, what: str, trusted: frozenset[str] = frozenset()) -> list[str]:
    """The overrides that measure the result's cell, but for the secret that private battles were drawn by.

    Raises BenchError if they do not pass the gate, and NotHere if they make another cell here than the result's.
    """
    try:
        overrides = gate.overrides(result.overrides, trusted)
    except BenchError as error:
        raise type(error)(f"{what}: {error}") from None
    if result.benchmark_version != BENCHMARK:
        raise gate.NotHere(f"{what}: {gate.NO_COMMAND}, which is of benchmark {shown(result.benchmark_version)}; this "
                           f"release measures figures of {BENCHMARK}")
    about = _described(overrides, what)
    drawn = {"referee": result.config["referee"]} if "referee" in result.config else {}  # by a secret of its author's
    if config_hash(about.config | drawn) != result.config_hash:
        raise gate.NotHere(f"{what}: {gate.NO_COMMAND}; was its detector handed over as an object, or was it measured "
                           "before results kept their command?")
    if about.detector != result.detector:
        raise BenchError(f"{what}: its detector '{shown(result.detector)}' is called '{about.detector}' here")
    return overrides


def _described(overrides: Sequence[str], what: str) -> Description:
    try:
        return describe(composed(overrides))
    except (HydraException, OmegaConfBaseException) as error:
        raise gate.NotHere(f"{what}: {gate.NO_COMMAND}: {explained(error, overrides, command_line=False)}") from None


def measured_again(overrides: Sequence[str], out: Path, stage: Stage, say: Say) -> tuple[Result, dict[str, Curves]]:
    """A cell's result, measured now, and the curves of those rows whose curves a leaderboard keeps; teams that were
    trained below ``out`` are used again."""
    from bench.harness.cell import run  # with torch and JAX, which whoever is refused does not need
    from bench.marl.process import tune

    tune()
    cfg = composed(overrides)
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


def measured_in_private(overrides: Sequence[str], secret: Path, out: Path, stage: Stage, say: Say,
                        trusted: frozenset[str] = frozenset()) -> tuple[Result, dict[str, Curves]]:
    """:func:`measured_again`, in the battles that the secret in a file draws. The packages ``trusted``, of which the
    detector may be, are imported by its own process alone."""
    private = [*overrides, "isolation=process", f"referee={options.quoted(str(secret))}",
               *([f"plugin=[{','.join(sorted(trusted))}]"] if trusted else [])]
    say(f"python -m bench run {shlex.join(private)}")
    return measured_again(private, out, stage, say)
