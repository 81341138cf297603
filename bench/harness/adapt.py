"""An attacker who knows the detector: a search for what it does not see, among what an attack could be instead."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic.dataclasses
from omegaconf import DictConfig
from pydantic import Field, PositiveInt

from bench import BENCHMARK
from bench.artifacts.files import config_hash, locked
from bench.artifacts.written import plain
from bench.build import build
from bench.contracts import Attack, Battles, Enacted
from bench.errors import BenchError
from bench.harness.candidates import Candidate, candidates
from bench.harness.configuration import check, check_places, describe
from bench.harness.hosts import hosted
from bench.harness.memory import battles_of, require, watching
from bench.harness.names import backdoored_name
from bench.harness.searching import Adapted, Searching
from bench.harness.teams import Say, Stage, clean_team
from bench.protocol.adapt import Bounds
from bench.protocol.host import Host
from bench.protocol.watch import needs

Share = Annotated[float, Field(ge=0, le=1)]


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Search:
    """What is searched for, and how: the values of ``conf/command/adapt.yaml``, which explains them."""

    puppet: Any
    by: Literal["puppet", "injection"]
    objective: Literal["before", "after", "whole", "worst"]
    min_asr: Annotated[float, Field(le=1)]
    max_cpvr: Share
    max_accidents: Share
    longest: Annotated[int, Field(ge=1, le=6)]
    places: list[dict[str, Any]]
    vary: dict[str, Any] | None
    finalists: PositiveInt
    inject: bool

    @property
    def bounds(self) -> Bounds:
        """What a candidate has to keep."""
        return Bounds(self.min_asr, self.max_cpvr, self.max_accidents)


def adapted(cfg: DictConfig, stage: Stage, say: Say) -> Adapted:
    """Search for a variant of the configured attack that the configured detector does not see.

    What is known is kept below ``out``/adapt, so that a search which was killed goes on, and one that is through is
    read.

    Raises
    ------
    BenchError : values that make no sense, a puppet where the detector looks into the network, or no candidate that
        keeps the bounds.
    """
    check(cfg)
    check_places(cfg)
    search: Search = build(cfg.adapt, "search")
    battles: Battles = build(cfg.env, "environment")
    attack: Attack = build(cfg.attack, "attack")
    if not attack.poisons:
        raise BenchError(f"attack={attack.name} leaves no backdoor: there is nothing to adapt")
    attack.require(battles.spec)
    about, budget = describe(cfg), cfg.budget
    n = budget.adapt_puppets if search.by == "puppet" else budget.adapt_injections
    with hosted(cfg, about.config, None) as host:
        _require_fit(search, host, about.detector, battles)
        others = candidates(cfg.attack, battles.spec, search.longest, search.places, search.vary or {}, n,
                            int(cfg.seed))
        require(watching(battles.spec, battles_of(cfg), needs([host])), say)
        clean = clean_team(cfg, battles, stage, say)
        terms = {name: value for name, value in plain(cfg.adapt).items() if name != "inject"}
        key = config_hash([about.config, terms, clean.sha256, n, budget.adapt_battles, BENCHMARK])
        name = f"{backdoored_name(cfg, cfg.attack, battles.spec)}-{about.detector}-{key}"
        base, attacks = Path(cfg.out) / "adapt" / name, [Candidate({}, attack, ()), *others]
        with locked(base):
            return Searching(cfg, search, battles, clean, host, about, attacks, base, stage, say).run()


def _require_fit(search: Search, host: Host, detector: str, battles: Battles) -> None:
    """Raise BenchError unless candidates can be tried as they are to be."""
    if search.by != "puppet":
        return
    if host.needs:
        raise BenchError(f"{detector} looks at {', '.join(host.needs)}, and the network of a team with a puppet in it "
                         "has never learned the trigger; adapt.by=injection injects every candidate")
    if not isinstance(search.puppet, Enacted):
        raise BenchError(f"a puppet cannot act out a payload of type {type(search.puppet).__name__}; allowed: one with "
                         "a method 'puppet', such as payload@adapt.puppet=fast_failing")
    if others := [name for name in search.vary or {} if not name.startswith("trigger.")]:
        raise BenchError(f"adapt.vary: {others[0]} makes no difference to a puppet, which learns nothing; allowed: "
                         "values of the trigger (trigger.NAME), or adapt.by=injection")
    search.puppet.require(battles.spec)
