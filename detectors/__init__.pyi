import bench.conformance

from .activations import ActivationClusters, NeuronBands, SpectralSignature
from .behavior_guard import BehaviorGuard
from .consensus import AlignedConsensus, ConsensusDistance
from .dexter import Dexter
from .drift import ActionDrift
from .ensemble import Ensemble
from .floors import Constant, EpisodeLength, Losing, Random
from .gru import GRUAutoencoder, GRUPredictor
from .median import MedianFilter
from .ngram import ConditionalNGram, NGram
from .outlier import Outlier
from .peers import PeerPrediction
from .policy_guard import PolicyGuard
from .statistics import ActivationStatistics
from .strip import Strip
from .trigger_search import TriggerSearch
from .values import TDError
from .views import Actions, Differences, EnemyMoves, Hidden, Pooled, QValues, Step, TeamActions, Units, Window
from .weights import WeightDifference

check_detector = bench.conformance.check_detector

__all__ = [
    "ActionDrift", "Actions", "ActivationClusters", "ActivationStatistics", "AlignedConsensus", "BehaviorGuard",
    "ConditionalNGram", "ConsensusDistance", "Constant", "Dexter", "Differences", "EnemyMoves", "Ensemble",
    "EpisodeLength", "GRUAutoencoder", "GRUPredictor", "Hidden", "Losing", "MedianFilter", "NGram", "NeuronBands",
    "Outlier", "PeerPrediction", "PolicyGuard", "Pooled", "QValues", "Random", "SpectralSignature", "Step", "Strip",
    "TDError", "TeamActions", "TriggerSearch", "Units", "WeightDifference", "Window", "check_detector"]
