"""``python -m bench figures``: the paper's figures of one backdoored team, as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("draw learning curves, what the clean agents do, and a replay of a battle")


def main(cfg: DictConfig) -> None:
    """Write learning curves, what the clean agents do (picture and CSV) and a replay below ``out``/figures."""
    from bench.artifacts.files import write_atomic
    from bench.harness.names import called
    from bench.harness.scenes import conduct, film
    from bench.reporting import figures
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.replay import replay, telling_battle

    scenes = film(cfg, bar, remark)
    attack, algo = scenes.attack, called(cfg.algo, "algorithm")
    title = f"{attack.name} on {algo}, {scenes.battles.spec.id}, seed {cfg.seed}"
    table = conduct(scenes)
    battle = telling_battle(scenes.normal, scenes.triggered)
    files = {
        "curves.png": figures.png(figures.curves(title, scenes.curve, scenes.clean_curve)),
        "conduct.png": figures.png(figures.conduct(f"what the agents that are not poisoned do: {title}", table)),
        "conduct.csv": table.to_csv(index=False, float_format="%.4g").encode(),
        "replay.html": replay(title, scenes.normal, scenes.triggered, battle, attack.victims, attack.trigger.length,
                              attack.duration)}
    for name, content in files.items():
        path = Path(cfg.out) / "figures" / f"{attack.name}-{algo}-s{cfg.seed}-{name}"
        write_atomic(path, content)
        console.print(str(path))
