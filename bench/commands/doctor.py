"""``python -m bench doctor``: what a report of a bug needs; ``doctor env=NAME``: whether an environment starts here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command
from bench.errors import BenchError

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("print what a bug report needs (doctor), or what keeps an environment from starting here "
                  "(doctor env=NAME)")


def main(cfg: DictConfig) -> None:
    """Print plain text that can be pasted. Raises BenchError if an environment was named and something is missing."""
    from contextlib import closing

    from bench.harness.composed import made, part
    from bench.harness.machine import checks, report

    if not any(part(override) == "env" for override in made(cfg).overrides):
        for title, text in report().items():
            print(f"{title + ':':<11}{text}")
        return
    missing = []
    with closing(checks(cfg)) as found:
        for finding in found:
            print(f"{'ok' if finding.ok else 'TO DO':<6}{finding.check:<20}{finding.text}", flush=True)
            if not finding.ok:
                missing.append(finding.check)
    if missing:
        raise BenchError(f"env={made(cfg).choices['env']} cannot be played here yet; to do: "
                         f"{', '.join(missing)}")
