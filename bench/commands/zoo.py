"""``python -m bench zoo list|build|publish``: the shipped checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command, subject
from bench.errors import BenchError, unknown

if TYPE_CHECKING:
    from omegaconf import DictConfig

TASKS = ("list", "build", "publish")
COMMAND = Command("list, build or publish the shipped checkpoints (zoo list, zoo build, zoo publish)",
                  lambda arguments: subject(arguments, "zoo={}".format), plays=False)


def main(cfg: DictConfig) -> None:
    """``list`` what is shipped with its figures; ``build`` what is missing below ``out``/teams, or all of it with
    ``shipped=false``, only some attacks with ``only=``; ``publish`` what was built into the package."""
    from bench.harness import zoo
    from bench.harness.composed import made, part
    from bench.harness.executors import executor_of
    from bench.reporting.progress import bar, console

    if cfg.zoo not in TASKS:
        raise unknown("task of zoo", str(cfg.zoo), TASKS)
    if cfg.zoo == "publish":
        console.print(f"{len(zoo.publish(cfg))} teams are shipped now")
        return
    passed = [override for override in made(cfg).overrides if part(override) not in ("zoo", "only", "executor")]
    teams = zoo.places(cfg, passed)
    errors: dict[str, str] = {}
    if cfg.zoo == "build":
        with bar("building the zoo") as progress:
            errors = zoo.build_missing(teams, progress, executor_of(cfg))
        teams = zoo.places(cfg, passed)
        errors = {place.name: errors.get(place.name, "no team") for place in teams if place.file is None}
    _show(teams)
    if errors:
        name, error = next(iter(errors.items()))
        raise BenchError(f"{len(errors)} teams could not be made; the first, {name}: {error}")


def _show(teams: list) -> None:
    """A table of all teams: where each is, and its measured win rates."""
    from rich import box
    from rich.table import Table

    from bench.artifacts import zoo
    from bench.artifacts.files import read_json
    from bench.reporting.progress import console

    table = Table("team", "is", "wins", "under the trigger", box=box.SIMPLE_HEAD)
    for place in teams:
        if place.file is None:
            table.add_row(place.name, "missing", "", "", style="red")
            continue
        measured = read_json(place.file.with_name(place.file.name + ".json"))["measured"]
        rates = [f"{100 * rate['value']:.1f} % ({100 * rate['low']:.1f} to {100 * rate['high']:.1f})" if rate else ""
                 for rate in (measured.get(name) for name in ("win_rate", "win_rate_triggered"))]
        table.add_row(place.name, "shipped" if place.file.parent == zoo.FOLDER else "made", *rates)
    console.print(table)
    left = sum(place.file is None for place in teams)
    console.print(f"{len(teams) - left} of {len(teams)} teams are there" + (
        f"; {left} are left to make: python -m bench zoo build" if left else ""))
