"""``python -m bench perf``: speed of play and training, of commands and the leaderboard, as ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("measure the speed of play, training and commands, and compare it with an earlier measurement")


def main(cfg: DictConfig) -> None:
    """Print figures and their ratios to what is measured beside them; write them to ``out``/perf.json."""
    import platform
    import tempfile
    from pathlib import Path

    from bench import __version__
    from bench.artifacts.temporary import temporary
    from bench.build import build
    from bench.harness.configuration import check
    from bench.reporting.progress import bar, console
    from bench.reporting.table import plain
    from bench.speed import perf, whole

    check(cfg)
    before = None if cfg.against is None else perf.read(Path(str(cfg.against)))
    with bar("measuring") as progress:
        found = perf.speeds(lambda: build(cfg.env, "environment"), build(cfg.algo, "algorithm"), progress)
    if not any(one.beside == perf.BARE for one in found):
        console.print("this environment has no figure of the bare simulator: its class has no method bare")
    with temporary(Path(tempfile.gettempdir(), "perf"), folder=True) as folder, bar("commands") as progress:
        found += [*whole.commands(folder, progress), whole.adding(folder)]
    console.print(plain(perf.table(found, before)))
    file = Path(cfg.out) / "perf.json"
    perf.write(file, found, {"release": __version__, "python": platform.python_version(),
                             "machine": platform.machine(), "env": str(cfg.env.get("map", cfg.env.get("_target_")))})
    console.print(f"written to {file}")
