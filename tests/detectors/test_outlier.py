"""Estimators of scikit-learn and PyOD as detectors."""

import numpy as np
import pyod.models.copod
import pyod.models.ecod
import pytest
from omegaconf import OmegaConf
from pyod.models.cof import COF
from pyod.models.hbos import HBOS
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from bench import options
from bench.build import build
from bench.errors import BenchError, DetectorError
from bench.harness.configuration import option
from detectors import Hidden, Outlier, Pooled, Step, Window
from detectors.ecdf import COPOD, ECOD

OUTLIERS = [name for name in options.names("detector") if "estimator" in option("detector", name) and name != "pyod"]


def samples(episodes, view=None):
    return (view or Step())(episodes)[episodes.alive & episodes.mask[..., None]]


@pytest.mark.parametrize("view", [None, Window(3)])
def test_an_isolation_forest_of_living_agents(view, make_episodes):
    """Scored sample by sample, with the same seed and scale, as scikit-learn itself does."""
    fit, test = make_episodes([9, 6, 7] * 5, seed=1), make_episodes([8, 3], seed=2)
    fit.alive[2, 3:, 0] = test.alive[0, 5:, 1] = False
    scores = Outlier(IsolationForest(), view, seed=3).fit(fit.public()).score(test.public())
    forest = make_pipeline(StandardScaler(), IsolationForest(random_state=3)).fit(samples(fit, view))
    assert scores[test.alive] == pytest.approx(-forest.score_samples(samples(test, view)))
    assert not scores[~test.alive].any()


class Decision(BaseEstimator):
    """An estimator with ``decision_function`` alone, higher for what is more normal."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def decision_function(self, X):
        return -np.abs(X).max(1)


@pytest.mark.parametrize("estimator", [
    Decision(), LocalOutlierFactor(novelty=True), make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)),
    HBOS(), make_pipeline(StandardScaler(), HBOS())], ids=str)
def test_both_conventions_of_sign(estimator, make_episodes):
    detector = Outlier(estimator).fit(make_episodes([20] * 10, seed=1).public())
    test = make_episodes([10, 10], seed=2)
    test.observation[1] *= 6
    scores = detector.score(test.public())
    assert scores[1].min() > scores[0].max()


def test_the_seed_reaches_every_random_state_and_the_estimator_stays_as_it_is(make_episodes):
    estimator = IsolationForest(n_estimators=5)
    fit, test = make_episodes([9] * 9).public(), make_episodes([9], seed=3).public()
    first, again, other = (Outlier(estimator, seed=seed).fit(fit).score(test) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert estimator.random_state is None
    assert not hasattr(estimator, "estimators_")


def test_no_more_than_max_samples_are_fitted(make_episodes):
    fit = make_episodes([9] * 9).public()
    known = Outlier(ECOD(), max_samples=50, scale=False, seed=1).fit(fit).model_.sorted_
    assert known.shape == (21, 50)
    everything = np.sort(samples(fit).T)
    assert all(np.isin(some, all_).all() for some, all_ in zip(known, everything, strict=True))
    other = Outlier(ECOD(), max_samples=50, scale=False, seed=2).fit(fit).model_.sorted_
    assert not np.array_equal(known, other)
    assert np.array_equal(Outlier(ECOD(), max_samples=162, scale=False).fit(fit).model_.sorted_, everything)


def test_a_view_of_the_team_scores_the_team(make_episodes):
    detector = Outlier(HBOS(), Pooled()).fit(make_episodes([9] * 9).public())
    test = make_episodes([9, 4])
    scores = detector.score(test.public())
    assert scores.shape == test.mask.shape
    assert not scores[1, 4:].any()
    assert scores[0].all()


def test_needs_are_those_of_the_view():
    assert Outlier(HBOS(), Window(2, Hidden())).needs == ("hidden",)
    assert Outlier(HBOS()).needs == ()


def test_scores_that_depend_on_each_other_are_refused(make_episodes):
    with pytest.raises(DetectorError, match=r"COF\(.*\) scores a sample by the others"):
        Outlier(COF()).fit(make_episodes([9] * 9).public())


def test_nobody_to_learn_from(make_episodes):
    fit = make_episodes([3])
    fit.alive[:] = False
    with pytest.raises(DetectorError, match="no agent lives"):
        Outlier(HBOS()).fit(fit.public())


@pytest.mark.parametrize("name", OUTLIERS)
def test_constant_features_and_scores_that_stand_alone(name, make_episodes):
    """Padding, dead units and type bits never vary in ``fit``; and no score depends on what else is asked for."""
    fit, test = make_episodes([20] * 12, seed=1), make_episodes([12, 12], seed=2)
    fit.observation[..., :6] = [0, 0, 1, 1, 0.1, -0.3]
    test.observation[0, ..., :6] = [0, 0, 1, 1, 0.1, -0.3]  # and in the other battle they do
    test.observation[1, 6:] *= 50
    detector = build(option("detector", name), "detector").fit(fit.public())
    scores = detector.score(test.public())
    assert np.isfinite(scores).all()
    assert len(np.unique(scores[0])) > 12
    assert detector.score(test[:1].public()) == pytest.approx(scores[:1], rel=1e-3, abs=1e-6)


@pytest.mark.filterwarnings("ignore:Precision loss")  # of PyOD's own, on constant features
@pytest.mark.parametrize(("ours", "theirs"), [(ECOD, pyod.models.ecod.ECOD), (COPOD, pyod.models.copod.COPOD)])
def test_tails_are_those_of_pyod_for_one_sample_at_a_time(ours, theirs):
    rng = np.random.default_rng(0)
    fit = np.stack([rng.exponential(size=300), -rng.exponential(size=300), rng.poisson(1, size=300), np.ones(300)], 1)
    test = np.concatenate([fit[:10], rng.normal(size=(10, 4)) * 2])
    test[:, 3] = 1
    fit, test = fit.astype(np.float32), test.astype(np.float32)
    mine, reference = ours().fit(fit), theirs().fit(fit)
    one_by_one = [reference.decision_function(sample[None])[0] for sample in test]
    assert -mine.score_samples(test) == pytest.approx(np.array(one_by_one))


def test_pyods_own_tails_are_replaced(make_episodes):
    fit, test = make_episodes([9] * 9).public(), make_episodes([9, 9], seed=3).public()
    for ours, theirs in ((ECOD, pyod.models.ecod.ECOD), (COPOD, pyod.models.copod.COPOD)):
        scores = Outlier(theirs()).fit(fit).score(test)
        assert np.array_equal(scores, Outlier(ours()).fit(fit).score(test))
        assert scores[:1] == pytest.approx(Outlier(theirs()).fit(fit).score(test[:1]))


def test_an_autoencoder_learns_what_is_common(make_episodes):
    """Samples on a plane through 21 dimensions are copied, what is off the plane is not."""
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(2, 21))
    fit, test = make_episodes([20] * 20), make_episodes([20])
    for episodes in (fit, test):
        episodes.observation[:] = rng.normal(size=(*episodes.alive.shape, 2)) @ plane
    detector = build(option("detector", "autoencoder"), "detector").fit(fit.public())
    on_plane = detector.score(test.public())
    test.observation[:] = rng.permuted(test.observation, axis=-1)
    off_plane = detector.score(test.public())
    assert np.median(off_plane) > 5 * np.median(on_plane)


class Answers(BaseEstimator):
    """Gives what it is told to."""

    def __init__(self, answer=None, wants=None):
        self.answer = answer
        self.wants = wants

    def fit(self, X, y=None):
        if self.wants:
            raise ModuleNotFoundError(f"No module named '{self.wants}'", name=self.wants)
        self.rng_ = np.random.default_rng(0)
        return self

    def decision_function(self, X):
        return self.answer(self, X)


class Unclonable(Answers):
    def __init__(self, answer=None, wants=None):
        self.answer = [answer]
        self.wants = wants


def leave(self, X):
    raise SystemExit("bye")


@pytest.mark.parametrize(("estimator", "message"), [
    (LocalOutlierFactor(), "LocalOutlierFactor without novelty=true judges only what it was fitted to; set .*=true"),
    (make_pipeline(PCA(2), LocalOutlierFactor()), "LocalOutlierFactor without novelty=true"),
    (IsolationForest, "clone raised TypeError: .*instance of scikit-learn estimator instead of a class"),
    (None, "clone raised TypeError"), (Unclonable(3), "Unclonable: clone raised RuntimeError"),
    (KMeans(2), "KMeans has neither score_samples nor decision_function: it is no outlier estimator"),
    (RandomForestClassifier(), "RandomForestClassifier: fit raised ValueError: .*requires y"),
    (IsolationForest(max_samples=np.inf), "IsolationForest: fit raised InvalidParameterError"),
    (Answers(wants="tqdm.auto"), "^Answers: it needs the package tqdm, which is not installed: pip install tqdm$"),
    (Answers(lambda self, X: self.rng_.random(len(X))), "^Answers scores at random: the same samples, scored twice"),
    (Answers(lambda self, X: X[:, 0] - X[:, 0].mean()), r"^Answers\(.*\) scores a sample by the others"),
    (Answers(lambda self, X: X), r"Answers.decision_function returned shape \(27, 21\) for 27 samples"),
    (Answers(lambda self, X: None), r"returned shape \(\) for 27 samples"),
    (Answers(lambda self, X: X[:, 0] * np.nan), "^Answers gives 27 of 27 samples .* a score that is not finite"),
    (Answers(leave), "Answers: decision_function raised SystemExit: bye")], ids=lambda value: str(value)[:30])
def test_what_is_no_outlier_estimator_is_refused_with_the_reason(estimator, message, make_episodes):
    with pytest.raises(DetectorError, match=message):
        Outlier(estimator).fit(make_episodes([9, 9, 9], agents=1).public())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [kind for _, kind in all_estimators() if issubclass(kind, OutlierMixin)])
@pytest.mark.parametrize("piped", [False, True])
def test_every_outlier_estimator_of_scikit_learn(kind, piped, make_episodes):
    estimator = kind(novelty=True) if kind is LocalOutlierFactor else kind()
    detector = Outlier(make_pipeline(SimpleImputer(), PCA(3), estimator) if piped else estimator)
    scores = detector.fit(make_episodes([20] * 10, seed=1).public()).score(make_episodes([9], seed=2).public())
    assert len(np.unique(scores)) > 5


@pytest.mark.parametrize(("target", "message"), [
    ("pyod.models.knn.KNM", r"unknown name in pyod.models.knn 'KNM'; allowed: KNN \(did you mean 'KNN'\?\)$"),
    ("pyod.models.knnn.KNN", r"unknown name in pyod.models 'knnn'; allowed: .*\(did you mean 'knn'\?\)$"),
    ("sklearn.svm.OneClasSVM", r"unknown name in sklearn.svm 'OneClasSVM'; .*\(did you mean 'OneClassSVM'\?\)$"),
    ("pyod.models.knn.Anything", "pyod.models.knn has no Anything$"), ("nowhere.Forest", "No module named 'nowhere'$"),
    ("needy_package.Forest", "needy_package.Forest: it needs the package no_such_one, .*: pip install no_such_one$"),
    ("leaving_package.Forest", "importing leaving_package raised SystemExit: 3$"),
    ("sklearn.svm", "Expected a callable target")])
def test_an_estimator_that_is_not_to_be_had(target, message, tmp_path, monkeypatch):
    (tmp_path / "needy_package.py").write_text("import no_such_one.part\n")
    (tmp_path / "leaving_package.py").write_text("raise SystemExit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BenchError, match=f"^cannot make detector .*Outlier: .*{message}"):
        build(OmegaConf.merge(option("detector", "pyod"), {"estimator": {"_target_": target}}), "detector")
