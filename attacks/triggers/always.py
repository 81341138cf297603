"""No trigger: the attack begins with the battle. The bound of what one poisoned agent can do at all."""

from __future__ import annotations

import numpy as np

from bench.contracts import Cue, EnvSpec, Step


class Always:
    """Complete at the first step of every battle, whether it is to be shown or not: nobody can withhold it."""

    means = "none"
    lasting = False
    length = 0

    def start(self, spec: EnvSpec, n: int) -> None:
        self._none = np.full((n, spec.n_enemies), -1)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:  # noqa: ARG002
        n = len(fresh)
        return Cue(self._none, step.observation, np.zeros(n, bool), np.ones(n, bool))
