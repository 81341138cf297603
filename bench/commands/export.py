"""``python -m bench export``: the protocol's battles as files, for those who work offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("write the public episodes for work offline, and on request their labels",
                  more="Into a folder of its own below results/export. format=parquet needs the extra [parquet].")


def main(cfg: DictConfig) -> None:
    """Write the public episodes of the configured attack's team, with ``labels=true`` their labels, a data card and
    metadata (Croissant)."""
    from bench.harness.export import export
    from bench.reporting.card import card
    from bench.reporting.croissant import metadata
    from bench.reporting.progress import bar, console, remark

    folder = export(cfg, card, metadata, bar, remark)
    console.print(str(folder), soft_wrap=True)
    for file in sorted(folder.iterdir()):
        console.print(f"  {file.name:<28}{file.stat().st_size / 1e6:>9,.1f} MB")
