"""``python -m bench shifts``: false alarms where nobody attacks, but something is not as usual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("count a detector's false alarms where nobody attacks, but something is not as usual")


def main(cfg: DictConfig) -> None:
    """Print the false alarms of the configured detector on the configured attack's team, in battles without the trigger
    as usual and under each of ``shifts``; the table is written to ``out``/shifts."""
    from bench.harness.shifts import counted
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.shifts import table

    path, found = counted(cfg, bar, remark)
    console.print(table(found))
    console.print(f"the table is in {path}", soft_wrap=True)
