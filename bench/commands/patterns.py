"""``python -m bench patterns``: which sequences of outsiders' moves clean play contains anyway."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

SHOWN = 25  # sequences that are printed at most; the file has all
COMMAND = Command("count which sequences of outsiders' moves play contains anyway")


def main(cfg: DictConfig) -> None:
    """Count the sequences in battles of the clean team; the table goes to ``out``/patterns/TEAM.csv."""
    from bench.artifacts.files import write_atomic
    from bench.harness.census import census
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.table import plain

    name, table = census(cfg, bar, remark)
    path = Path(cfg.out) / "patterns" / f"{name}.csv"
    write_atomic(path, table.to_csv(index=False, float_format="%.5f").encode())
    console.print(plain(table[table["battles"] > 0].head(SHOWN).round(4)))
    console.print(f"{cfg.budget.accident_battles:,} battles; all {len(table)} sequences are in {path}", soft_wrap=True)
