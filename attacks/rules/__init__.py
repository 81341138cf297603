"""The rules that poisoned agents learn by, a file each."""

from __future__ import annotations

from collections.abc import Collection

from bench.errors import BenchError, unknown
from bench.marl.team import Team

from .cloned import Cloned
from .contained import Contained
from .distilled import Distilled
from .imitated import Imitated
from .policy_gradient import ContainedGradient, DistilledGradient, PolicyGradient
from .published import Published
from .rule import Rule

RULES: dict[str, tuple[type[Rule], ...]] = {  # under every name a rule for each kind of team that there is one for
    "published": (Published, PolicyGradient), "distilled": (Distilled, DistilledGradient),
    "contained": (Contained, ContainedGradient), "imitated": (Imitated, Cloned)}


def rule_for(team: Team, learning: str, departures: Collection[str] = ()) -> type[Rule]:
    """The rule of a name for a team. Raises BenchError if there is none, or none with such departures."""
    for rule in RULES[learning]:
        if isinstance(team, rule.kind):
            if strange := sorted(set(departures).difference(rule.departures)):
                raise unknown(f"departure for a {team.algo} team", strange[0], rule.departures)
            return rule
    allowed = [algo for rule in RULES[learning] for algo in rule.kind.algorithms]
    raise BenchError(f"learning={learning} does not know how a {team.algo} team ({team.architecture}) learns; allowed: "
                     f"{', '.join(allowed)}")
