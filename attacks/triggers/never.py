"""No trigger, and no attack: for the clean team on its own."""

from __future__ import annotations

import numpy as np

from bench.contracts import Cue, EnvSpec, Step


class Never:
    """Is never shown and never complete."""

    means = "none"
    lasting = False
    length = 0

    def start(self, spec: EnvSpec, n: int) -> None:
        self._none = np.full((n, spec.n_outsiders), -1)

    def cue(self, step: Step, fresh: np.ndarray, show: np.ndarray) -> Cue:  # noqa: ARG002
        nowhere = np.zeros(len(fresh), bool)
        return Cue(self._none, step.observation, nowhere, nowhere)
