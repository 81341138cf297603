"""``python -m bench repair``: what is left of an attack, and of the team, after a repair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("repair a backdoored team, and measure what the attack and the team are worth then (repair prune, "
                  "repair PACKAGE.CLASS)", lambda arguments: _read(subject(arguments, "repair={}".format)))


def _read(arguments: list[str]) -> list[str]:
    """The arguments; ``repair=PACKAGE.CLASS`` stands for no option but for the class, with parameters of its own."""
    if not arguments or not arguments[0].startswith("repair=") or "." not in arguments[0]:
        return arguments
    own = [f"++{argument}" if argument.startswith("repair.") else argument for argument in arguments[1:]]
    return ["~repair", f"+repair._target_={arguments[0].removeprefix('repair=')}", *own]


def main(cfg: DictConfig) -> None:
    """Repair the configured attack's team and print win rates and ASR before and after; the table goes to
    ``out``/repairs."""
    import pandas as pd

    from bench.harness.repair import FIGURES, repaired
    from bench.reporting.progress import bar, console, remark
    from bench.reporting.table import plain

    path, table = repaired(cfg, bar, remark)
    titles = dict(zip(FIGURES, ("wins without the trigger ↑", "under the trigger ↑", "ASR ↓"), strict=True))
    shown = {title: ["-" if pd.isna(row[name]) else
                     f"{row[name]:.1%} ({row[f'{name}_low']:.1%} to {row[f'{name}_high']:.1%})"
                     for row in table.to_dict("records")] for name, title in titles.items()}
    console.print(plain(pd.DataFrame({"team": table["team"], **shown})))
    console.print(f"{cfg.budget.test_battles:,} battles each, 95 % intervals; also in {path}", soft_wrap=True)
