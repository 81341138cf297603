"""The team learns on while outsiders behave as a search has found to be worst for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pydantic.dataclasses
from pydantic import Field

from bench.contracts import Battles, EnvSpec, Episodes, Progress
from bench.errors import BenchError
from bench.marl.learners.q import QTeam
from bench.marl.play import Player
from bench.marl.team import RecurrentTeam, Team

from ..trigger_search import Drive, TriggerSearch
from .finetune import Finetune
from .kinds import require


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid", "arbitrary_types_allowed": True})
class Unlearn(Finetune):
    """The defender searches for a behaviour of an outsider under which the team collapses, and lets the team learn on
    from its own reward in battles of which a share show it.

    Parameters
    ----------
    search : which behaviours are tried, and in how many battles. What it finds need not be the attacker's trigger, and
        cannot be if that is no behaviour of an outsider.
    share : of the battles that show what was found.
    steps, learning_rate, epsilon, td_lambda, sam : see :class:`Finetune`.

    References
    ----------
    Guo, Li, Wang & Liu, "PolicyCleanse", ICCV 2023 (arXiv 2202.03609), who unlearn what an opponent trained for it has
    found; SHINE (Yuan et al., ICML 2024) and, for classifiers, unlearning by a reconstructed trigger (Wang et al.,
    "Neural Cleanse", S&P 2019) follow the same plan. Ours: the search, and that the team learns from its own episodes,
    by the rule of its clean training.
    """

    search: TriggerSearch = Field(default_factory=TriggerSearch)
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    name: str = "unlearn"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:
        from bench.marl.train import Run

        require(team, QTeam if self.sam else RecurrentTeam, self.name)
        trainer = self._training(team, battles, seed)
        if not isinstance(trainer, Run):
            raise BenchError(f"repair={self.name} does not know how a team of algo={team.algo} plays while it learns")
        progress(0.0, "searching for a behaviour under which the team collapses")
        self.search.statistic(team, battles)
        found = self.search.found_
        progress(0.0, "found: {moves} near agent {agent}, from {reach} of its sight on".format(**found))
        trainer.player = Player(battles, seed * 1_000, trigger=shown(found, battles.spec),
                                poison_rate=self.share, record=trainer.player.record)
        return self._learned(trainer, progress)


def shown(found: Mapping[str, Any], spec: EnvSpec) -> Drive:
    """What a search has found, as a trigger for any number of battles."""
    moves = np.zeros((1, spec.n_agents, len(found["moves"])), int)
    reach = np.zeros((1, spec.n_agents))
    moves[0, found["agent"]] = [spec.order(name) for name in found["moves"]]
    reach[0, found["agent"]] = found["reach"]
    return Drive(moves, reach)
