"""What each kind of JSON file holds. What is checked here, those who read may count on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from bench.contracts import Curves, EnvSpec, Estimate, Result, Shape
from bench.marl.learners import UNNAMED

LARGEST = 100_000  # of an environment's sizes
PHASES = {"before", "after", "whole"}  # of a row of a result
GROUPS = {"env", "algo", "attack", "detector", "response", "protocol"}  # of a result's configuration
LONGEST = 10_000_000  # steps of an attack period; a curve is drawn over them
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Recipe(BaseModel):
    """How a team was made, as far as anybody reads it."""

    model_config = ConfigDict(extra="allow")
    attack: dict[str, Any] | None = None
    clean: dict[str, Any] | None = None


class Checkpoint(BaseModel):
    """NAME.json beside NAME.safetensors."""

    model_config = ConfigDict(extra="allow")
    algo: str
    architecture: str = UNNAMED
    env: Shape
    sha256: Sha256
    recipe: Recipe | None = None
    curve: list[dict[str, float]] = []
    measured: dict[str, Estimate] | None = None


class Stored(BaseModel):
    """What NAME.json of a shipped team says besides: which files of its folder hold the weights."""

    model_config = ConfigDict(extra="allow")
    networks: Annotated[list[Sha256], Field(min_length=1)]  # of each agent
    rest: Sha256 | None  # of what is no agent's, such as a mixer; None where there is nothing


class Zoo(BaseModel):
    """manifest.json of the shipped teams."""

    model_config = ConfigDict(extra="forbid")
    teams: dict[str, Sha256]  # name -> sha256 of the weights, as NAME.safetensors of the whole team would have it
    files: dict[str, Sha256]


class Export(BaseModel):
    """manifest.json of exported episodes."""

    model_config = ConfigDict(extra="allow")
    files: dict[str, Sha256]


def _drawable(curves: Curves) -> Curves:
    """Curves that can be drawn: as many x as y, few and moderate numbers."""
    pairs = [*curves.roc.values(), *curves.pr.values(), curves.delay]
    if any(len(pair) != 2 or len(pair[0]) != len(pair[1]) for pair in pairs):
        raise ValueError("a curve has as many x as y")
    if any(not 0 <= value <= 1 for pair in pairs[:-1] for axis in pair for value in axis):
        raise ValueError("a rate is 0 to 1")
    if any(not 0 <= value <= 1 for value in curves.delay[1]) or any(abs(x) > LONGEST for x in curves.delay[0]):
        raise ValueError("a share is 0 to 1, a delay some steps")
    if len(curves.limits) != 2:
        raise ValueError("there are two thresholds, for 1 % and 5 % false alarms")
    if any(not 0 <= steps <= LONGEST for steps in (curves.trigger_length, curves.duration)):
        raise ValueError(f"a trigger and its attack last 0 to {LONGEST:,} steps")
    for battle in curves.timelines:
        if not battle.scores or (battle.completion is not None and not 0 <= battle.completion <= LONGEST):
            raise ValueError("a battle has a score or more, and its trigger is complete at a step")
    return curves


def _readable(result: Result) -> Result:
    """A result that has what tables and pages ask for by name."""
    if any(set(row.phases) != PHASES for row in result.rows):
        raise ValueError(f"a row has the phases {', '.join(sorted(PHASES))}")
    if result.rows and "normal" not in result.sizes:
        raise ValueError("sizes do not say how many normal battles there were")
    for name in GROUPS & result.config.keys():
        if not isinstance(result.config[name], dict):
            raise ValueError(f"config.{name} is no group of values")
    return result


RESULT = TypeAdapter(Annotated[Result, AfterValidator(_readable)])
CURVES = TypeAdapter(list[Annotated[Curves, AfterValidator(_drawable)]])
GATHERED = TypeAdapter(dict[str, Annotated[Curves, AfterValidator(_drawable)]])  # row id -> its curves
CHECKPOINT = TypeAdapter(Checkpoint)
EXPORT = TypeAdapter(Export)
ENVIRONMENT = TypeAdapter(EnvSpec)
STORED = TypeAdapter(Stored)
ZOO = TypeAdapter(Zoo)
SCORE = TypeAdapter(dict[str, str | float])  # what a model detector said of a team
