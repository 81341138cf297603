"""Which kinds of team a repair knows."""

from __future__ import annotations

from bench.errors import BenchError
from bench.marl.team import Team


def require(team: Team, kind: type, repair: str) -> None:
    """Raise BenchError unless the team is of the kind whose weights a repair finds by their names."""
    if not isinstance(team, kind):
        raise BenchError(f"repair={repair} changes the networks of a {kind.__name__}, and this {team.algo} team "
                         f"({team.architecture}) is none")
