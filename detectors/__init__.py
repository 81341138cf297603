"""Detectors: anomaly scores for recorded episodes. They know episodes only, see :class:`bench.contracts.Detector`."""

from bench.conformance import check_detector
from detectors.floors import Constant, EpisodeLength, Random
from detectors.ngram import NGram
from detectors.outlier import Outlier
from detectors.views import Actions, Differences, EnemyMoves, Hidden, Pooled, QValues, Step, TeamActions, Units, Window

__all__ = ["Actions", "Constant", "Differences", "EnemyMoves", "EpisodeLength", "Hidden", "NGram", "Outlier", "Pooled",
           "QValues", "Random", "Step", "TeamActions", "Units", "Window", "check_detector"]
