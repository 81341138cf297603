"""``python -m bench check PACKAGE.CLASS``: does a detector, or an environment, keep the contract?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject
from bench.errors import unknown

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("see whether a detector keeps the contract (check PACKAGE.CLASS, check NAME), or an environment "
                  "(check environment env=NAME)",
                  lambda words: subject(words, _chosen))


def _chosen(word: str) -> str:
    """The detector that the first word names, a class or an option; or that an environment is meant."""
    if word == "environment":
        return "check=environment"
    return f"detector._target_={word}" if "." in word else f"detector={word}"


def main(cfg: DictConfig) -> None:
    """Print the outcome of every check of the configured detector, or environment. Raises DetectorError if one fails.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from bench.build import build
    from bench.conformance import require
    from bench.reporting.progress import console

    if cfg.check not in ("detector", "environment"):
        raise unknown("check", cfg.check, ("detector", "environment"))
    if cfg.check == "environment":
        from bench.conformance.environments import environment_outcomes

        name, found = build(cfg.env, "environment").spec.id, list(
            environment_outcomes(lambda: build(cfg.env, "environment")))
    else:
        from bench.conformance.apart import outcomes_apart
        from bench.harness.configuration import describe

        name = describe(cfg).detector
        found = outcomes_apart(lambda: build(cfg.detector, "detector"))
    table = Table("check", "outcome", "expected", "came", box=box.SIMPLE_HEAD, title=name, title_justify="left")
    styles = {"passed": "", "failed": "red", "warning": "yellow", "not run": "dim"}
    for outcome in found:
        table.add_row(outcome.check, outcome.status, outcome.expected, escape(outcome.message),
                      style=styles[outcome.status])
    console.print(table)
    require(name, found)
