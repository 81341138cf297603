"""What detectors ask of recorded episodes: which agents live, and columns that are there on request alone."""

from __future__ import annotations

import numpy as np

from bench.contracts import Episodes
from bench.errors import DetectorError

COLUMNS = {"hidden": "hidden states", "q": "Q values"}


def living(episodes: Episodes) -> np.ndarray:
    """(episode, step, agent) bool: alive in a step that was played."""
    return episodes.alive & episodes.mask[..., None]


def recorded(episodes: Episodes, name: str, detector: object) -> np.ndarray:
    """The column "hidden" or "q" as float32; DetectorError if it was not recorded."""
    column = getattr(episodes, name)
    if column is None:
        raise DetectorError(f"{type(detector).__name__} needs the agents' {COLUMNS[name]}, and these episodes were "
                            f"recorded without; expected the column '{name}'")
    return column.astype(np.float32)
