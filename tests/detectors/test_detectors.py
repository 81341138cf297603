"""What every shipped detector promises, on synthetic episodes."""

import numpy as np
import pytest

from bench import options
from bench.errors import DetectorError
from bench.harness import FLOORS
from bench.harness.build import build, option
from detectors import Constant, EpisodeLength, NGram, Random, check_detector

NAMES = options.names("detector")
FLOOR_CLASSES = (Constant, EpisodeLength, Random)


@pytest.fixture
def detector(request):
    cfg = option("detector", request.param)
    if request.param == "pyod":  # leaves the choice to the user
        cfg.estimator._target_ = "pyod.models.loda.LODA"
    return build(cfg, "detector")


@pytest.mark.parametrize("detector", NAMES, indirect=True)
def test_every_shipped_detector_keeps_the_contract(detector):
    statuses = {outcome.check: outcome.status for outcome in check_detector(detector)}
    assert statuses.pop("sign") == ("warning" if type(detector) in FLOOR_CLASSES else "passed")
    assert set(statuses.values()) == {"passed"}


@pytest.mark.parametrize("detector", sorted(set(NAMES) - set(FLOORS) - {"bigram"}), indirect=True)
def test_wild_observations_score_higher(detector, make_episodes):
    detector.fit(make_episodes([20] * 20, seed=1).public())
    test = make_episodes([10, 10], seed=2)
    test.observation[1, 4, 0] = 8.0
    scores = detector.score(test.public())
    assert scores[1, 4, 0] > scores[:, :4].max()
    assert scores[1, 4, 0] > scores[0].max()


def moves_as_episodes(make_episodes, sequences):
    """Battles of one enemy that moves east (+), west (-) or not (0), seen by both agents."""
    episodes = make_episodes([len(sequence) for sequence in sequences])
    episodes.observation[:] = 0
    unit = 8  # of one ally, then the enemy: 7 features and 1 type each
    for i, sequence in enumerate(sequences):
        episodes.observation[i, : len(sequence), :, unit] = 1  # health
        moves = [{"+": 1, "-": -1, "0": 0}[move] for move in sequence]
        episodes.observation[i, : len(sequence), :, unit + 3] = np.array(moves)[:, None]
    return episodes.public()


def test_bigrams_are_counted(make_episodes):
    detector = NGram(2, smoothing=1.0).fit(moves_as_episodes(make_episodes, ["--0", "--0"]))
    scores = detector.score(moves_as_episodes(make_episodes, ["--0-+"]))
    assert scores[0, 0].tolist() == [0, 0], "one move is no pair"
    total = 8 + 36  # 2 battles, 2 pairs, 2 agents; and one of each of the 36 pairs
    seen, never = -np.log(5 / total), -np.log(1 / total)
    assert scores[0, 1:, 0] == pytest.approx([seen, seen, never, never])


def test_ngrams_longer_than_a_battle(make_episodes):
    detector = NGram(4).fit(moves_as_episodes(make_episodes, ["----0000"] * 3))
    assert not detector.score(moves_as_episodes(make_episodes, ["--"])).any()


def test_observations_of_another_simulator(make_episodes):
    with pytest.raises(DetectorError, match="observations of 5 features of 2 agents are not laid out as SMAX's"):
        NGram().fit(make_episodes([4], features=5).public())
