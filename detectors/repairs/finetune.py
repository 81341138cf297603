"""Fine-pruning's second half: the team learns on without the trigger."""

from __future__ import annotations

from typing import Annotated

import pydantic.dataclasses
from pydantic import Field, PositiveFloat, PositiveInt

from bench.contracts import Battles, Episodes, Progress
from bench.marl.learners.q import QTeam
from bench.marl.team import RecurrentTeam, Team

from .kinds import require


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Finetune:
    """All agents, each with its own weights, learn on in battles without the trigger, from the team's own reward.

    Parameters
    ----------
    steps : environment steps.
    learning_rate : of Adam; falls to zero along a half cosine.
    epsilon, td_lambda : each agent's chance of a random action, and how far a value looks ahead; of value-based teams
        alone, since actors draw their actions.

    References
    ----------
    The second half of fine-pruning (Liu et al., RAID 2018), with the learning rule of the clean team's training.
    """

    steps: PositiveInt = 100_000
    learning_rate: PositiveFloat = 5e-4
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.05
    td_lambda: Annotated[float, Field(ge=0, le=1)] = 0.6
    name: str = "finetune"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:
        require(team, RecurrentTeam, self.name)
        explored = {"epsilon": self.epsilon, "epsilon_steps": 0, "td_lambda": self.td_lambda}
        trainer = team.learn_on(battles, seed, steps=self.steps, learning_rate=self.learning_rate,
                                eval_every=self.steps, **explored if isinstance(team, QTeam) else {})
        for row in trainer.run():
            progress(min(trainer.steps / self.steps, 1.0), f"training wins {row['training_win_rate']:.0%}")
        return trainer.team()
