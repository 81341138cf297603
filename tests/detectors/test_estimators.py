"""The shipped table of estimators: what it says of each is what comes of trying it."""

from __future__ import annotations

import re

import pytest

from bench.reporting.estimators import DOCUMENT, document, estimators, tried

ALL = list(estimators())
QUICK = ("sklearn.ensemble.IsolationForest", "sklearn.svm.OneClassSVM", "pyod.models.knn.KNN", "pyod.models.pca.PCA",
         "pyod.models.ecod.ECOD", "pyod.models.cof.COF", "pyod.models.mad.MAD", "pyod.models.auto_encoder.AutoEncoder",
         "pyod.models.feature_bagging.FeatureBagging", "pyod.models.lscp.LSCP")


def shipped() -> dict[str, list[str]]:
    """Estimator -> whether it runs, its AUROC and why not, as the table has them."""
    lines = re.findall(r"^\| `(\S+)\(?.*?` \| (\w+) \| (.*?) \| (.*?) \|$", DOCUMENT.read_text(encoding="utf-8"), re.M)
    return {f"{name.split('(')[0]}{' false' if 'False' in name else ''}": rest for name, *rest in lines}


def test_every_estimator_is_in_the_table():
    assert {target for target, _ in ALL} <= shipped().keys()
    assert len([target for target, _ in ALL if target.startswith("pyod.")]) > 50
    assert sum(runs == "yes" for runs, *_ in shipped().values()) > 25
    assert all((runs == "yes") == (why == "") for runs, _, why in shipped().values())


@pytest.mark.parametrize("target", QUICK)
def test_some_of_the_table(target):
    _same(target, dict(ALL)[target])


@pytest.mark.slow
@pytest.mark.parametrize(("target", "parameters"), ALL)
def test_all_of_the_table(target, parameters):
    _same(target, parameters)


def _same(target, parameters):
    runs, _, why = shipped()[f"{target}{' false' if parameters.get('novelty') is False else ''}"]
    found = tried(target, parameters)
    if "it needs the package" in why and "it needs the package" not in (found.why or ""):
        pytest.skip("the package is here, and was not when the table was made")
    assert ("no" if found.why else "yes") == runs, found.why
    assert why in document([found])
