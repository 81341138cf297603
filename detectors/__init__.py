"""Detectors: anomaly scores for recorded episodes. They know episodes, and the policy if they need it; see
:class:`bench.contracts.Detector`."""

from bench.conformance import check_detector
from detectors.activations import ActivationClusters, NeuronBands, SpectralSignature
from detectors.dexter import Dexter
from detectors.drift import ActionDrift
from detectors.ensemble import Ensemble
from detectors.floors import Constant, EpisodeLength, Random
from detectors.gru import GRUAutoencoder, GRUPredictor
from detectors.ngram import ConditionalNGram, NGram
from detectors.outlier import Outlier
from detectors.peers import PeerPrediction
from detectors.policy_guard import PolicyGuard
from detectors.strip import Strip
from detectors.values import TDError
from detectors.views import Actions, Differences, EnemyMoves, Hidden, Pooled, QValues, Step, TeamActions, Units, Window

__all__ = [
    "ActionDrift", "Actions", "ActivationClusters", "ConditionalNGram", "Constant", "Dexter", "Differences",
    "EnemyMoves", "Ensemble", "EpisodeLength", "GRUAutoencoder", "GRUPredictor", "Hidden", "NGram", "NeuronBands",
    "Outlier", "PeerPrediction", "PolicyGuard", "Pooled", "QValues", "Random", "SpectralSignature", "Step", "Strip",
    "TDError", "TeamActions", "Units", "Window", "check_detector"]
