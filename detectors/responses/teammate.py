"""A teammate's network takes over."""

from __future__ import annotations

import pydantic.dataclasses

from bench.marl.team import Team

from .fallback import Fallback


@pydantic.dataclasses.dataclass(config={"extra": "forbid"})
class Teammate(Fallback):
    """Lets a suspected agent act by the network of the next agent of the delivered team (of the last one, the first's),
    with its own observation and id: a defender needs no clean team for it. Agents that were trained together share a
    network, or can do each other's work; where the next agent is poisoned as well, nothing is gained. The network has
    followed each battle in the agent's place from its beginning.
    """

    name: str = "teammate"

    def instead(self, team: Team, clean: Team) -> Team:  # noqa: ARG002
        """The delivered team, every agent with the next one's network."""
        return team.with_weights({name: weight.roll(-1, 0) for name, weight in team.weights.items()})
