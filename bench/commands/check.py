"""``python -m bench check PACKAGE.CLASS``: does a detector, or something else from outside, keep the contract?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject
from bench.errors import BenchError, unknown

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from bench.conformance import Outcome

QUICK = "budget=smoke"  # of what makes a team, which is made several times


def _read(arguments: list[str]) -> list[str]:
    arguments = subject(arguments, _chosen)
    trains = not {"check=attack", "check=algorithm", "check=repair"}.isdisjoint(arguments)
    given = any(argument.startswith("budget=") for argument in arguments)
    return [QUICK, *arguments] if trains and not given else arguments


def _chosen(argument: str) -> str:
    """The detector that the first argument names, a class or an option; or that something else is meant."""
    if argument in OUTCOMES:
        return f"check={argument}"
    return f"detector._target_={argument}" if "." in argument else f"detector={argument}"


COMMAND = Command("see whether a detector keeps the contract (check PACKAGE.CLASS, check NAME), or an environment, "
                  "attack, algorithm, repair or response (check environment env=NAME, check attack attack=NAME, ...)",
                  _read)


def main(cfg: DictConfig) -> None:
    """Print the outcome of every check of the configured detector, environment, attack, algorithm, repair or response.

    Raises DetectorError if one fails.
    """
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from bench.conformance import require
    from bench.reporting.progress import console

    if cfg.check not in OUTCOMES:
        raise unknown("check", cfg.check, OUTCOMES)
    name, outcomes = OUTCOMES[cfg.check](cfg)
    table = Table("check", "outcome", "expected", "came", box=box.SIMPLE_HEAD, title=name, title_justify="left")
    styles = {"passed": "", "failed": "red", "warning": "yellow", "not run": "dim"}
    for outcome in outcomes:
        table.add_row(outcome.check, outcome.status, outcome.expected, escape(outcome.message),
                      style=styles[outcome.status])
    console.print(table)
    require(name, outcomes)


def _detector(cfg: DictConfig) -> tuple[str, list[Outcome]]:
    from bench.build import build
    from bench.conformance.apart import outcomes_apart
    from bench.harness.configuration import describe

    return describe(cfg).detector, outcomes_apart(lambda: build(cfg.detector, "detector"))


def _environment(cfg: DictConfig) -> tuple[str, list[Outcome]]:
    from bench.build import build
    from bench.conformance.environments import environment_outcomes

    name = build(cfg.env, "environment").spec.id
    return name, list(environment_outcomes(lambda: build(cfg.env, "environment")))


def _attack(cfg: DictConfig) -> tuple[str, list[Outcome]]:
    from bench.build import build
    from bench.conformance.attacks import attack_outcomes
    from bench.reporting.progress import bar

    battles, name = build(cfg.env, "environment"), build(cfg.attack, "attack").name
    team = build(cfg.algo, "algorithm").trainer(battles, int(cfg.seed)).team()
    with bar(f"checking {name} on {team.algo}, {team.spec.id}") as progress:
        return name, list(attack_outcomes(lambda: build(cfg.attack, "attack"), battles, team, progress))


def _algorithm(cfg: DictConfig) -> tuple[str, list[Outcome]]:
    from bench.build import build
    from bench.conformance.algorithms import algorithm_outcomes
    from bench.reporting.progress import bar

    battles, name = build(cfg.env, "environment"), build(cfg.algo, "algorithm").name
    with bar(f"checking {name} in {battles.spec.id}") as progress:
        return name, list(algorithm_outcomes(lambda: build(cfg.algo, "algorithm"), battles, progress))


def _repair(cfg: DictConfig) -> tuple[str, list[Outcome]]:
    from bench.build import build
    from bench.conformance.defences import repair_outcomes
    from bench.contracts import Repair
    from bench.reporting.progress import bar

    _require(cfg, "repair")
    battles, name = build(cfg.env, "environment"), build(cfg.repair, "repair", Repair).name
    team = build(cfg.algo, "algorithm").trainer(battles, int(cfg.seed)).team()
    with bar(f"checking {name} on {team.algo}, {team.spec.id}") as progress:
        return name, list(repair_outcomes(lambda: build(cfg.repair, "repair", Repair), battles, team, progress))


def _response(cfg: DictConfig) -> tuple[str, list[Outcome]]:
    from bench.build import build
    from bench.conformance.defences import response_outcomes
    from bench.contracts import Responder

    _require(cfg, "response")
    battles, name = build(cfg.env, "environment"), build(cfg.response, "response", Responder).name
    team = build(cfg.algo, "algorithm").trainer(battles, int(cfg.seed)).team()
    return name, list(response_outcomes(lambda: build(cfg.response, "response", Responder), battles, team))


def _require(cfg: DictConfig, kind: str) -> None:
    """Raise BenchError if none of a kind is configured."""
    if cfg[kind].get("_target_") is None:
        raise BenchError(f"no {kind} is configured; give {kind}=NAME")


OUTCOMES = {"detector": _detector, "environment": _environment, "attack": _attack, "algorithm": _algorithm,
            "repair": _repair, "response": _response}
