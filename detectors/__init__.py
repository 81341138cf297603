"""Detectors: anomaly scores for recorded episodes. They know episodes only, see :class:`bench.contracts.Detector`."""

from bench.conformance import check_detector
from detectors.floors import Constant, EpisodeLength, Random
from detectors.isoforest import IsolationForestDetector
from detectors.ngram import NGram
from detectors.views import EnemyMoves, Step, Window

__all__ = ["Constant", "EnemyMoves", "EpisodeLength", "IsolationForestDetector", "NGram", "Random", "Step", "Window",
           "check_detector"]
