"""The nouns of the benchmark: what a battle, a team, an episode, a trigger, an attack, a detector and a result are.

All of ``bench``, ``attacks`` and ``detectors``, and whatever is written outside this repository, meets here.
Arrays are numpy. Shapes are written (battle, ...) while battles run and (episode, step, ...) once they are recorded.
"""

from bench.contracts.attacks import Attack, Cue, Progress, Store, Trigger
from bench.contracts.battles import MOVES, NEVER, NOBODY, Battles, EnvSpec, Identity, Step
from bench.contracts.detectors import (
    DEFENDERS,
    NEEDS,
    POLICIES,
    RECORDABLE,
    SHOWN,
    Detector,
    ModelDetector,
    ModelStatistic,
    Policy,
    besides,
    differing,
    needed,
)
from bench.contracts.episodes import Episodes, Labels
from bench.contracts.results import (
    DEV_SEED,
    RELEASE,
    Cell,
    Curves,
    Detection,
    Estimate,
    Figures,
    ModelFigures,
    Response,
    Result,
    Row,
    Timeline,
)

__all__ = [
    "DEFENDERS",
    "DEV_SEED",
    "MOVES",
    "NEEDS",
    "NEVER",
    "NOBODY",
    "POLICIES",
    "RECORDABLE",
    "RELEASE",
    "SHOWN",
    "Attack",
    "Battles",
    "Cell",
    "Cue",
    "Curves",
    "Detection",
    "Detector",
    "EnvSpec",
    "Episodes",
    "Estimate",
    "Figures",
    "Identity",
    "Labels",
    "ModelDetector",
    "ModelFigures",
    "ModelStatistic",
    "Policy",
    "Progress",
    "Response",
    "Result",
    "Row",
    "Step",
    "Store",
    "Timeline",
    "Trigger",
    "besides",
    "differing",
    "needed",
]
