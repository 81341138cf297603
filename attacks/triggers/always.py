"""No trigger: the attack begins with the battle. The bound of what one poisoned agent can do at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.contracts import Cue, Step

from .never import Never


class Always(Never):
    """Complete at the first step of every battle, whether it is to be shown or not: nobody can withhold it."""

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:
        return replace(super().cue(step, fresh, show), completed=np.ones(len(fresh), bool))
