"""Fine-pruning's second half: the team learns on without the trigger."""

from __future__ import annotations

from typing import Annotated

import pydantic.dataclasses
from pydantic import Field, PositiveFloat, PositiveInt

from bench.contracts import Battles, Episodes, Progress
from bench.marl.learners import Training
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
    sam : radius of sharpness-aware minimisation, in the space of all weights, of value-based teams alone; 0 for plain
        fine-tuning.

    References
    ----------
    The second half of fine-pruning (Liu et al., RAID 2018), with the learning rule of the clean team's training.
    Sharpness-aware minimisation: Foret et al., ICLR 2021 (arXiv 2010.01412). That backdoors lie in sharp minima, and
    are removed better with it, is said of image classifiers (Zhu et al., "Enhancing fine-tuning based backdoor defense
    with sharpness-aware minimization", ICCV 2023, arXiv 2304.11823) and, as far as its abstract tells, by arXiv
    2605.14587, whose full text was not to be had.
    """

    steps: PositiveInt = 100_000
    learning_rate: PositiveFloat = 5e-4
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.05
    td_lambda: Annotated[float, Field(ge=0, le=1)] = 0.6
    sam: Annotated[float, Field(ge=0)] = 0.0
    name: str = "finetune"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:
        require(team, QTeam if self.sam else RecurrentTeam, self.name)
        return self._learned(self._training(team, battles, seed), progress)

    def _training(self, team: Team, battles: Battles, seed: int) -> Training:
        of_values = {"epsilon": self.epsilon, "epsilon_steps": 0, "td_lambda": self.td_lambda, "sam": self.sam}
        return team.learn_on(battles, seed, steps=self.steps, learning_rate=self.learning_rate,
                             eval_every=self.steps, **of_values if isinstance(team, QTeam) else {})

    def _learned(self, trainer: Training, progress: Progress) -> Team:
        for row in trainer.run():
            progress(min(trainer.steps / self.steps, 1.0), f"training wins {row['training_win_rate']:.0%}")
        return trainer.team()
