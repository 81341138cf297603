"""``python -m bench run``: measure an attack and a detector."""

from __future__ import annotations

from omegaconf import DictConfig


def main(cfg: DictConfig) -> None:
    """Print the report of one cell; its files go below ``out``."""
    from bench.marl.process import tune

    tune()
    from bench.harness import run
    from bench.reporting.progress import bar, console, messages
    from bench.reporting.table import show

    result = run(cfg, bar, say=lambda text: messages.print(text, style="yellow"))
    show(result, console)
