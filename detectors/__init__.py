"""Detectors: anomaly scores for recorded episodes. They know episodes only, see :class:`bench.contracts.Detector`."""

from detectors.floors import Constant, EpisodeLength, Random
from detectors.isoforest import IsolationForestDetector
from detectors.views import Step, Window

__all__ = ["Constant", "EpisodeLength", "IsolationForestDetector", "Random", "Step", "Window"]
