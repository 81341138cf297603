"""``python -m bench models``: is this checkpoint backdoored?"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig


def main(cfg: DictConfig) -> None:
    """Judge the shipped teams, or those of ``holdout=DIR``, with the configured model detector.

    Tables go to the terminal, a row a checkpoint to ``out``/models/DETECTOR.csv, or DETECTOR-FOLDER.csv of a holdout.
    """
    from bench.artifacts.files import write_atomic
    from bench.harness.models import judge_models
    from bench.reporting.models import by_attack, by_checkpoint, by_split
    from bench.reporting.progress import bar, console

    judged = judge_models(cfg, bar)
    folder = "" if cfg.holdout is None else f"-{Path(str(cfg.holdout)).resolve().name}"
    path = Path(cfg.out) / "models" / f"{judged.detector}{folder}.csv"
    write_atomic(path, judged.rows.to_csv(index=False, float_format="%.6g").encode())
    console.print(by_split(judged.detector, judged.figures))
    console.print(by_attack(judged.rows) if cfg.holdout is None else by_checkpoint(judged.rows))
    console.print(f"all {len(judged.rows)} teams are in {path}", soft_wrap=True)
