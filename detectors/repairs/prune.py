"""Fine-pruning's first half: units that are idle without the trigger are cut out."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pydantic.dataclasses
import torch
from pydantic import Field

from bench.contracts import Battles, Episodes, Progress
from bench.marl.team import RecurrentTeam, Team

from .kinds import require


@pydantic.dataclasses.dataclass(frozen=True, config={"extra": "forbid"})
class Prune:
    """Cuts out each agent's ``share`` of GRU units that are least active in its own battles without the trigger.

    A unit's activity is the mean of its absolute value while the agent lives. A unit is cut out by the weights of what
    reads it, the output layer and the GRU's next step.

    References
    ----------
    Liu, Dolan-Gavitt & Garg, "Fine-pruning: defending against backdooring attacks on deep neural networks", RAID 2018;
    there the last convolution's channels are pruned.
    """

    share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    name: str = "prune"

    def __call__(self, team: Team, battles: Battles, episodes: Episodes, seed: int,  # noqa: ARG002
                 progress: Progress) -> Team:  # noqa: ARG002
        require(team, RecurrentTeam, self.name)
        assert episodes.hidden is not None, "recorded without record=('hidden',)"
        lives = (episodes.alive & episodes.mask[..., None])[..., None]
        activity = np.abs(episodes.hidden.astype(np.float32)).mean((0, 1), where=lives)  # (agent, unit)
        cut = activity.argsort(1).argsort(1) < round(self.share * activity.shape[1])
        kept = torch.from_numpy(~cut)[:, None].float()
        return team.with_weights({name: team.weights[name] * kept for name in ("fc2.weight", "rnn.weight_hh")})
