"""``python -m bench report RUN``: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench import plugins
from bench.commands import Command, subject
from bench.options import quoted

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("write a run as one HTML file with curves and battles (report RUN)",
                  lambda arguments: subject(arguments, lambda argument: f"result={quoted(argument)}"), plays=False)


def main(cfg: DictConfig) -> None:
    """Write the report of a run, given by its result's path, its name or its configuration's hash, beside the result.

    Raises BenchError for a result that no run can have left; one of other people's detectors is reported.
    """
    from bench.artifacts.files import write_atomic
    from bench.artifacts.results import find_result, read_curves
    from bench.harness.again import overrides_of_result
    from bench.harness.gate import NotHere
    from bench.reporting.progress import console, remark
    from bench.reporting.report import report

    base, result = find_result(cfg.result, Path(cfg.out) / "runs")
    try:
        overrides = overrides_of_result(result, f"{base}.json", plugins.trusted(cfg.plugin))
    except NotHere as error:
        remark(str(error))
        overrides = None
    curves = read_curves(base)
    if curves is None:
        remark(f"there is no {base}.curves.json: the report has no curves")
    file = base.with_name(f"{base.name}.html")
    write_atomic(file, report(result, curves, overrides).encode())
    console.print(f"written: {file}", soft_wrap=True, highlight=False)
