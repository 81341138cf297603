"""Detectors: anomaly scores for recorded episodes. They know episodes only, see :class:`bench.contracts.Detector`."""

from detectors.activations import ActivationClusters, NeuronBands, SpectralSignature
from detectors.dexter import Dexter
from detectors.drift import ActionDrift
from detectors.floors import Constant, EpisodeLength, Random
from detectors.gru import GRUAutoencoder, GRUPredictor
from detectors.isoforest import IsolationForestDetector
from detectors.ngram import ConditionalNGram, NGram
from detectors.peers import PeerPrediction
from detectors.values import TDError
from detectors.views import EnemyMoves, Step, Window

__all__ = [
    "ActionDrift", "ActivationClusters", "ConditionalNGram", "Constant", "Dexter", "EnemyMoves", "EpisodeLength",
    "GRUAutoencoder", "GRUPredictor", "IsolationForestDetector", "NGram", "NeuronBands", "PeerPrediction", "Random",
    "SpectralSignature", "Step", "TDError", "Window"]
