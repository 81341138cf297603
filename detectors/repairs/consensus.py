"""The agents' weights are compared with one another: what most of them share is kept."""

from __future__ import annotations

import pydantic.dataclasses

from bench.contracts import Battles, Episodes, Progress
from bench.marl.team import Team


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Consensus:
    """Gives every agent the median of all agents' weights (:meth:`bench.marl.team.Team.consensus`).

    Where the team shared one network and fewer than half of its agents were retrained, that is the network that they
    shared; where all agents share what was retrained, nothing changes. An attacker who writes each agent's units in
    another order leaves no such median; ``aligned`` puts them into one first, and writes the median in each agent's own
    (:meth:`bench.marl.team.Team.aligned_consensus`).

    References
    ----------
    The coordinate-wise median of Yin et al., "Byzantine-robust distributed learning: towards optimal statistical
    rates", ICML 2018, there of gradients. Ours: of the agents' weights.
    """

    aligned: bool = False
    name: str = "consensus"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:  # noqa: ARG002
        return team.aligned_consensus() if self.aligned else team.consensus()
