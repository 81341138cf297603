"""``python -m bench submit RESULT``: put one's own result into the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench import plugins
from bench.commands import Command, subject
from bench.commands.leaderboard import SHIPPED
from bench.options import quoted

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("check a result of one's own, measure it again and add it to the leaderboard (submit RESULT.json)",
                  lambda arguments: [*SHIPPED, *subject(arguments, lambda argument: f"result={quoted(argument)}")],
                  plays=False)  # it does, but not before it is known what


def main(cfg: DictConfig) -> None:
    """Measure the result's cell again and add the rows that come of it.

    Raises BenchError, and adds nothing, if it is no result of this version on shipped teams, or cannot be re-made.
    """
    from bench.artifacts.results import find_result
    from bench.harness.again import measured_in_private, overrides_of_result
    from bench.leaderboard import shipped
    from bench.leaderboard.ranking import standing
    from bench.leaderboard.rows import read_leaderboard
    from bench.leaderboard.submit import submit
    from bench.reporting.progress import bar, console, remark

    base, result = find_result(cfg.result, Path(cfg.out) / "runs")
    path = Path(cfg.leaderboard)
    if (there := shipped.to_read(path)).exists():
        read_leaderboard(there)  # before hours of work, it is known to be one
    trusted, out = plugins.trusted(cfg.plugin), Path(cfg.out)
    overrides = overrides_of_result(result, f"{base}.json", trusted)
    found, again = submit(result, f"{base}.json", path, out, lambda secret: measured_in_private(
        overrides, secret, out, bar, remark, trusted), remark)
    console.print(f"all {len(found)} figures were re-made; {len(again.rows)} rows added to {path}", soft_wrap=True)
    console.print(standing(read_leaderboard(path), again), style="bold", soft_wrap=True, highlight=False)
