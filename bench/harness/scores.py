"""Scores that cells of different attacks share: what a detector makes of the clean team's battles without any trigger
is the same for all of them."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from bench.artifacts.files import config_hash, write_atomic
from bench.artifacts.shared import Alone


@dataclass(frozen=True)
class KeptScores:
    """A file of scores, (episode, step) or (episode, step, agent), of the battles that a team and nothing else makes.

    Parameters
    ----------
    folder : where it is.
    about : all that the scores depend on, the code's commit too; as JSON.
    store : where others may have put them.
    """

    folder: Path
    about: Any
    store: Alone = field(default_factory=Alone, compare=False)

    @property
    def path(self) -> Path:
        return self.folder / f"{config_hash(self.about)}.npz"

    def read(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Those of the normal and of the calibration battles; None if they are not there in one piece."""
        self.store.fetch(self.path.with_suffix(""))
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, BadZipFile):
            found = np.load(io.BytesIO(self.path.read_bytes()))
            return found["normal"], found["calibration"]
        return None

    def write(self, normal: np.ndarray, calibration: np.ndarray) -> None:
        """Keep scores for other cells."""
        file = io.BytesIO()
        np.savez(file, normal=normal, calibration=calibration)
        write_atomic(self.path, file.getvalue())
        self.store.offer(self.path.with_suffix(""))
