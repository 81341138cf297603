"""What every shipped detector promises, on synthetic episodes."""

import pytest

from bench import options
from bench.build import build
from bench.errors import DetectorError
from bench.harness.configuration import option
from detectors import Constant, EpisodeLength, Losing, NGram, Random, check_detector

NAMES = options.names("detector")
FLOOR_CLASSES = (Constant, EpisodeLength, Losing, Random)


@pytest.fixture
def detector(request):
    return build(option("detector", request.param), "detector")


LONG = "dexter", "dexter_cusum", "gru_autoencoder", "gru_predictor", "hbos", "peer_prediction", "pyod"


@pytest.mark.parametrize("detector", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
                                      for name in NAMES], indirect=True)
def test_every_shipped_detector_keeps_the_contract(detector):
    statuses = {outcome.check: outcome.status for outcome in check_detector(detector)}
    assert statuses.pop("sign") == ("warning" if type(detector) in FLOOR_CLASSES else "passed")
    assert set(statuses.values()) == {"passed"}


@pytest.mark.parametrize("detector", [name for name in NAMES if "estimator" in option("detector", name)], indirect=True)
def test_wild_observations_score_higher(detector, make_episodes):
    detector.fit(make_episodes([20] * 20, seed=1).public())
    test = make_episodes([10, 10], seed=2)
    test.observation[1, 4, 0] = 8.0
    scores = detector.score(test.public())
    assert scores[1, 4, 0] > scores[:, :4].max()
    assert scores[1, 4, 0] > scores[0].max()



def test_observations_of_another_simulator(make_episodes):
    with pytest.raises(DetectorError, match="counts what outsiders do, and observations of made up do not tell it"):
        NGram().fit(make_episodes([4], features=5).public())
