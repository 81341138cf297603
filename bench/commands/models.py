"""``python -m bench models``: is this checkpoint backdoored?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

LONGEST = 80  # characters of a file's name that list attacks
COMMAND = Command("judge whole teams: is this checkpoint backdoored? the shipped ones, or a folder "
                  "(models holdout=DIR)", more=(
                      "Probabilities and figures are printed and written to results/models. only=[clean,scripted] "
                      "learns from and judges teams of these attacks alone; disguise=null leaves disguised clean teams "
                      "out."))


def main(cfg: DictConfig) -> None:
    """Judge the shipped teams, or those of ``holdout=DIR``, with the configured model detector.

    Tables go to the terminal, a row a checkpoint to ``out``/models/DETECTOR.csv. With ``domain=``, ``only=`` and
    ``holdout=``, which change what probabilities are learned on and who is judged, the name is another:
    DETECTOR-DOMAIN-only_ATTACKS-FOLDER.csv.
    """
    from bench.artifacts.files import write_atomic
    from bench.harness.models import judge_models
    from bench.reporting.models import by_attack, by_checkpoint, by_split
    from bench.reporting.progress import bar, console

    judged = judge_models(cfg, bar)
    path = Path(cfg.out) / "models" / f"{'-'.join([judged.detector, *_differing(cfg)])}.csv"
    write_atomic(path, judged.rows.to_csv(index=False, float_format="%.6g").encode())
    console.print(by_split(judged.detector, judged.figures))
    console.print(by_attack(judged.rows) if cfg.holdout is None else by_checkpoint(judged.rows))
    console.print(f"all {len(judged.rows)} teams are in {path}", soft_wrap=True)


def _differing(cfg: DictConfig) -> Iterator[str]:
    """What a table's name says of ``domain``, ``only`` and ``holdout``, if they are set."""
    from bench.artifacts.files import config_hash

    if cfg.domain is not None:
        yield str(cfg.domain)
    if cfg.only is not None:
        attacks = [cfg.only] if isinstance(cfg.only, str) else sorted(set(cfg.only))
        named = "+".join(attacks)
        yield f"only_{named if len(named) <= LONGEST else config_hash(attacks)}"
    if cfg.holdout is not None:
        yield Path(str(cfg.holdout)).resolve().name
