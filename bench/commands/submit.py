"""``python -m bench submit RESULT``: put one's own result into the leaderboard."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from bench import plugins


def main(cfg: DictConfig) -> None:
    """Measure the result's cell again and add the rows that come of it.

    Raises BenchError, and adds nothing, if it is no result of this version on shipped teams, or cannot be re-made.
    """
    from bench.artifacts import shipped
    from bench.artifacts.results import find_result
    from bench.harness.submit import submit
    from bench.reporting.leaderboard import read_leaderboard
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.ranking import standing

    base, result = find_result(cfg.result, Path(cfg.out) / "runs")
    path = Path(cfg.leaderboard)
    if (there := shipped.to_read(path)).exists():
        read_leaderboard(there)  # before hours of work, it is known to be one
    found, again = submit(result, f"{base}.json", path, Path(cfg.out), bar, remark,
                          plugins.trusted(cfg.plugin))
    console.print(f"all {len(found)} figures were re-made; {len(again.rows)} rows added to {path}", soft_wrap=True)
    console.print(standing(read_leaderboard(path), again), style="bold", soft_wrap=True, highlight=False)
