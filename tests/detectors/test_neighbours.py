"""Neighbours by matrix products against scikit-learn's and PyOD's; forests without the checks against scikit-learn's.
"""

import numpy as np
import pytest
from pyod.models.knn import KNN as PyodKNN
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from detectors.dexter import distinct
from detectors.forest import Forest, QuickForest
from detectors.neighbours import KNN, LOF
from detectors.outlier import ours


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    fitted = rng.normal(size=(300, 40)).astype(np.float32)
    fitted[:20] = fitted[20:40]  # twins
    return fitted, np.concatenate([fitted[:30], rng.normal(size=(700, 40)), 20 + rng.normal(size=(5, 40))]).astype("f4")


def test_knn_is_pyods(samples):
    fitted, asked = samples
    theirs = PyodKNN(n_neighbors=5).fit(fitted.astype(float)).decision_function(asked.astype(float))
    assert -KNN(5).fit(fitted).score_samples(asked) == pytest.approx(theirs, rel=1e-5, abs=1e-5)
    assert (KNN(1).fit(fitted).score_samples(fitted) == 0).all(), "a sample lies nowhere but where it is"
    for many in (0, 300):
        with pytest.raises(ValueError, match=f"n_neighbors is {many}; allowed: 1 to one less than the 300 samples"):
            KNN(many).fit(fitted)


def test_lof_is_scikit_learns(samples):
    fitted, asked = samples
    theirs = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(fitted).score_samples(asked)
    assert LOF(20).fit(fitted).score_samples(asked) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("n", [1, 2, 3, 400])
def test_a_quick_forest_is_scikit_learns(samples, n):
    fitted, asked = samples[0][np.arange(n) % 300], samples[1]
    forest = IsolationForest(n_estimators=10, max_samples=min(256, n), random_state=0).fit(fitted)
    assert QuickForest(forest).anomaly(asked) == pytest.approx(-forest.score_samples(asked))


@pytest.mark.parametrize("chosen", [{}, {"n_jobs": -1}, {"max_features": 0.5}, {"contamination": 0.2}], ids=str)
def test_a_forest_is_scikit_learns_to_the_last_digit(samples, chosen):
    fitted, asked = samples[0], np.tile(samples[1], (5, 1))
    theirs = IsolationForest(n_estimators=10, random_state=0, **chosen).fit(fitted)
    forest = Forest(n_estimators=10, random_state=0, **chosen).fit(fitted)
    assert np.array_equal(forest.score_samples(asked), theirs.score_samples(asked))
    assert np.array_equal(forest.predict(asked), theirs.predict(asked))
    with pytest.raises(ValueError, match="39 features"):
        forest.score_samples(asked[:, 1:])


def test_distinct_windows():
    series = np.random.default_rng(0).integers(0, 3, (4, 500)).astype(np.float16)
    first, number = distinct(series)
    assert (series[:, first[number]] == series).all()
    assert len(first) == len(np.unique(series, axis=1).T)
    assert (first[number] <= np.arange(500)).all(), "the first of each"
    assert [len(part) for part in distinct(series[:, :0])] == [0, 0]


@pytest.mark.parametrize(("theirs", "stands_for_it"), [
    (PyodKNN(n_neighbors=7), KNN(7)), (PyodKNN(metric="manhattan"), None), (PyodKNN(method="mean"), None),
    (LocalOutlierFactor(n_neighbors=9, novelty=True), LOF(9)), (LocalOutlierFactor(), None),
    (LocalOutlierFactor(novelty=True, p=1), None),
    (IsolationForest(n_estimators=5, max_samples=9), Forest(n_estimators=5, max_samples=9))], ids=str)
def test_ours_stand_for_theirs_only_where_they_are_the_same(theirs, stands_for_it):
    assert repr(ours(theirs)) == repr(stands_for_it)
