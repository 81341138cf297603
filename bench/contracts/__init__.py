"""The nouns of the benchmark: what a battle, a team, an episode, a trigger, an attack, a detector, a repair,
a response and a result are.

All of ``bench``, ``attacks`` and ``detectors``, and whatever is written outside this repository, meets here.
Arrays are numpy. Shapes are written (battle, ...) while battles run and (episode, step, ...) once they are recorded.
"""

from bench.contracts.attacks import Attack, Cue, LearnedTrigger, Progress, Store, Trigger
from bench.contracts.battles import BODIES, COMPASS, NEVER, NOBODY, Battles, Environment, EnvSpec, Identity, Shape, Step
from bench.contracts.columns import COLUMNS, RECORDABLE, column_kind
from bench.contracts.defences import Repair, Responder
from bench.contracts.detectors import (
    DEFENDERS,
    NEEDS,
    POLICIES,
    SHOWN,
    Detector,
    ModelDetector,
    ModelStatistic,
    Policy,
    besides,
    differing,
    needed,
)
from bench.contracts.episodes import Episodes, Labels, columns_of, episodes_of, labels_of
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
from bench.contracts.version import CONTRACT

__all__ = [
    "BODIES",
    "COLUMNS",
    "COMPASS",
    "CONTRACT",
    "DEFENDERS",
    "DEV_SEED",
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
    "Environment",
    "Episodes",
    "Estimate",
    "Figures",
    "Identity",
    "Labels",
    "LearnedTrigger",
    "ModelDetector",
    "ModelFigures",
    "ModelStatistic",
    "Policy",
    "Progress",
    "Repair",
    "Responder",
    "Response",
    "Result",
    "Row",
    "Shape",
    "Step",
    "Store",
    "Timeline",
    "Trigger",
    "besides",
    "column_kind",
    "columns_of",
    "differing",
    "episodes_of",
    "labels_of",
    "needed",
]
