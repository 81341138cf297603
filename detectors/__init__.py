"""Detectors: anomaly scores for recorded episodes, which know episodes, and the policy if they need it
(:class:`bench.contracts.Detector`), and verdicts on whole teams (:class:`bench.contracts.ModelDetector`)."""

from bench.conformance import check_detector
from detectors.activations import ActivationClusters, NeuronBands, SpectralSignature
from detectors.consensus import ConsensusDistance
from detectors.dexter import Dexter
from detectors.drift import ActionDrift
from detectors.ensemble import Ensemble
from detectors.floors import Constant, EpisodeLength, Random
from detectors.gru import GRUAutoencoder, GRUPredictor
from detectors.median import MedianFilter
from detectors.ngram import ConditionalNGram, NGram
from detectors.outlier import Outlier
from detectors.peers import PeerPrediction
from detectors.policy_guard import PolicyGuard
from detectors.statistics import ActivationStatistics
from detectors.strip import Strip
from detectors.trigger_search import TriggerSearch
from detectors.values import TDError
from detectors.views import Actions, Differences, EnemyMoves, Hidden, Pooled, QValues, Step, TeamActions, Units, Window
from detectors.weights import WeightDifference

__all__ = [
    "ActionDrift", "Actions", "ActivationClusters", "ActivationStatistics", "ConditionalNGram", "ConsensusDistance",
    "Constant", "Dexter", "Differences", "EnemyMoves", "Ensemble", "EpisodeLength", "GRUAutoencoder",
    "GRUPredictor", "Hidden", "MedianFilter", "NGram", "NeuronBands", "Outlier", "PeerPrediction", "PolicyGuard",
    "Pooled", "QValues", "Random", "SpectralSignature", "Step", "Strip", "TDError", "TeamActions", "TriggerSearch",
    "Units", "WeightDifference", "Window", "check_detector"]
