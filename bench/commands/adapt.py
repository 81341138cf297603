"""``python -m bench adapt DETECTOR``: an attacker who knows the detector and looks for a trigger that it does not see.

A command and no option of ``attack``: an attack that needs a detector to be made would have to know detectors, and what
it comes to is an attack like any other, a few overrides long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("look for a variant of an attack that a detector does not see (adapt isoforest attack=backdoorl)",
                  lambda arguments: subject(arguments, "detector={}".format))


def main(cfg: DictConfig) -> None:
    """Search, and print the rounds and the command that makes the chosen attack; the table goes to ``out``/adapt."""
    from bench.harness.adapt import adapted
    from bench.reporting.adapt import rounds
    from bench.reporting.progress import bar, console, remark

    found = adapted(cfg, bar, remark)
    for table in rounds(found.table):
        console.print(table)
    console.print("AUROC of the detector, chance .50; in brackets 95 % intervals over battles.", style="dim",
                  soft_wrap=True)
    if not found.found:
        console.print(f"None of {found.candidates} candidates is lower within the bounds: the attack stays as it is.",
                      soft_wrap=True)
    console.print(f"The attack that was chosen:\n  {found.command}", soft_wrap=True, highlight=False)
    console.print(f"all trials are in {found.path}", soft_wrap=True)
