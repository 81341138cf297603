"""Detectors as configurations: no two that differ are written alike, and what cannot be written down is refused."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import json
import re
import threading
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import initialize_config_module
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

from bench import compat
from bench.artifacts.files import config_hash
from bench.artifacts.written import spelled, unspelled, written
from bench.errors import DetectorError
from bench.harness import gate
from bench.harness.composed import composed
from bench.harness.configuration import describe
from detectors import Outlier

LIMIT = 1


class Far:
    def __init__(self, opts=None):
        self.opts = opts


class Slots:
    __slots__ = ("__hidden", "opts")

    def __init__(self, opts):
        self.opts = opts
        self.__hidden = opts


class Colour(enum.Enum):
    RED, BLUE = 1, 2


class Number(enum.IntEnum):
    ONE = 1


class Named(str):
    pass


@dataclasses.dataclass
class Options:
    rate: float = 0.1


def below(limit):
    return lambda x: x < limit


def made(value):
    """A class that is not to be had by its name."""
    class Local(Far):
        level = value

        def score(self, episodes):
            return value

    return Local


def net(share):
    return torch.nn.Sequential(torch.nn.Dropout(share))


def text(detector) -> str:
    return json.dumps(written(detector), sort_keys=True, allow_nan=False)


def fitted(rows):
    return IsolationForest(n_estimators=3, random_state=0).fit(np.arange(2.0 * rows).reshape(rows, 2))


TENSOR = torch.arange(3.0)
DIFFERENT = [
    None, True, 1, 1.0, "1", Named("1"), 0.0, -0.0, float("inf"), float("-inf"), float("nan"), "inf", 10**400,
    [], (), {}, set(), frozenset(), b"", bytearray(), [1, 2], (1, 2), {1, 2}, {1, 3}, {"a": 1}, {"a": 2}, {1: 2},
    {"1": 2}, {(1, 2): 3}, {"_type_": "float", "value": "inf"}, {"_target_": "x"}, b"ab", b"a" * 99, b"b" * 99,
    np.float64(1), np.float32(1), np.int64(1), np.int64(9), np.bool_(True), np.str_("1"), np.datetime64("2020"),
    np.datetime64("2020-01"), np.array([1]), np.array([2]), np.array([[1]]), np.array([1.0]), np.array(["a"]),
    np.array([1], object), np.array([None], object), np.arange(99), np.arange(99)[::-1], np.dtype("f4"), np.dtype("f8"),
    np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[1, 0]), np.random.default_rng(0),
    np.random.default_rng(1), np.random.RandomState(0), abs, max, np.abs, np.add, below, below(1), below(2),
    lambda x: x, lambda x: -x, lambda x, y=1: x, lambda x, y=2: x, Far, Slots, Colour, Colour.RED, Colour.BLUE,
    Number.ONE, functools.partial(max, 1), functools.partial(max, 2), functools.partial(min, 1), "x".join, "y".join,
    Path("/a"), Path("/b"), PurePosixPath("/a"), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.timedelta(1), decimal.Decimal("1.5"),
    decimal.Decimal("1.50"), re.compile("a"), re.compile("a", re.IGNORECASE), range(3), range(4), slice(1), 1j, 2j,
    collections.OrderedDict(a=1), collections.OrderedDict(a=2), collections.defaultdict(int),
    collections.defaultdict(list), collections.deque([1]), Options(), Options(0.2), Far(1), Far(Far(1)), Far(Far(2)),
    Slots(1), Slots(2), made(1), made(2), made(1)(3), TENSOR, TENSOR + 1, TENSOR.double(), TENSOR[:, None],
    torch.nn.Parameter(TENSOR), torch.tensor(1, dtype=torch.bfloat16), torch.float32, torch.float64, net(0.1), net(0.5),
    torch.nn.Linear(1, 1), torch.nn.Linear(1, 1), torch.nn.ReLU(), torch.nn.GELU(), json, np,
    pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}), pd.Series([1]), IsolationForest(),
    IsolationForest(n_estimators=3), fitted(9), fitted(8),
    make_pipeline(IsolationForest()), SimpleImputer(), SimpleImputer(missing_values=0)]


def test_no_two_that_differ_are_written_alike():
    seen = {}
    for value in DIFFERENT:
        assert text(Far(value)) == text(Far(value)), "the same twice"
        other = seen.setdefault(text(Far(value)), value)
        assert other is value, f"{value!r} is written as {other!r} is"
        nested = text(Far([{"deep": (value,)}]))
        assert seen.setdefault(nested, value) is value


_plain = st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text(max_size=3)
_values = st.recursive(
    _plain | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(
        st.text(max_size=3) | st.integers() | st.sampled_from(["_type_", "value", "_target_"]), inner, max_size=3),
    max_leaves=8)


@settings(max_examples=200, deadline=None)
@given(_values, _values)
def test_written_alike_are_the_same(one, other):
    assert (text(Far(one)) == text(Far(other))) == (repr(_sorted(one)) == repr(_sorted(other)))


def _sorted(value):
    """With dictionaries in order, which does not count."""
    if isinstance(value, dict):
        return {"dict": sorted(((repr(name), _sorted(item)) for name, item in value.items()), key=repr)}
    return type(value)(map(_sorted, value)) if isinstance(value, list | tuple) else value


@settings(max_examples=200, deadline=None)
@given(st.recursive(_plain, lambda inner:
                    st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["a", "_type_", "value", 1]), inner, max_size=3), max_leaves=8))
def test_what_is_spelled_can_be_read_back(node):
    assert repr(unspelled(json.loads(json.dumps(spelled(node), allow_nan=False)))) == repr(node)


def test_what_is_plain_is_spelled_as_it_is():
    """Hashes of before there was a spelling for more stay what they were."""
    node = {"_target_": "a.B", "n": 3, "share": 0.5, "on": True, "view": None, "steps": [["a", {"_target_": "c.D"}]]}
    assert spelled(node) == node
    assert config_hash({"a": [1, 2.5, None], "b": {"_target_": "x.Y"}}) == "ab244bd0e2a1"


def test_the_order_of_a_dictionary_does_not_count():
    assert config_hash(written(Far({"a": 1, "b": 2}))) == config_hash(written(Far({"b": 2, "a": 1})))
    assert config_hash(written(Far({1: 1, 2: 2}))) == config_hash(written(Far({2: 2, 1: 1})))


def test_a_function_of_no_name_is_known_by_what_it_refers_to(monkeypatch):
    before = text(Far(lambda x: x * LIMIT))
    monkeypatch.setitem(globals(), "LIMIT", 2)
    assert text(Far(lambda x: x * LIMIT)) != before


@pytest.mark.parametrize(("value", "kind"), [
    (threading.Lock(), "lock"), ((i for i in ()), "generator"), ({"a": [threading.Lock()]}, "lock"),
    (memoryview(b"a"), "memoryview"), (functools.partial(max, threading.Lock()), "lock")])
def test_what_cannot_be_written_down_is_refused_by_name(value, kind):
    with pytest.raises(DetectorError, match=f"^Far cannot be written down, .* its attribute 'opts.*' holds an object "
                                            f"of type {kind} .*; give it as numbers, .* or make it in fit$"):
        written(Far(value))


def test_nested_without_end():
    inner: list = []
    for _ in range(5000):
        inner = [inner]
    with pytest.raises(DetectorError, match="nested too deeply"):
        written(Far(inner))
    again: list = []
    again.append(again)
    one = Far()
    one.opts = one
    assert text(Far(again)) != text(one)


def test_attributes_of_every_kind_of_class():
    assert written(Slots(3)) == {"_target_": f"{__name__}.Slots", "_Slots__hidden": 3, "opts": 3}
    with pytest.raises(DetectorError, match="Lost cannot be written down: RuntimeError: no dict"):
        written(type("Lost", (), {"__dict__": property(lambda _: (_ for _ in ()).throw(RuntimeError("no dict")))})())
    assert written(type("Table", (dict,), {})(a=1)) != written(type("Table", (dict,), {})(a=2))
    assert text(made(1)(3)) != text(made(2)(3)), "classes of one name are told apart by what is in them"


@pytest.fixture(scope="module")
def hydra():
    with initialize_config_module("bench.conf", **compat.VERSION):
        yield


@pytest.mark.parametrize("words", [
    ["detector=pyod", "detector.estimator._target_=sklearn.ensemble.IsolationForest",
     "+detector.estimator.max_samples=inf"],
    ["detector._target_=mine.Detector", "detector.limit=-inf", "detector.parts=[nan,{a: inf, 1: 2}]"],
    ["detector._target_=mine.Detector", "detector.odd={_type_: float, value: inf}"]])
def test_infinite_values_of_a_configuration(hydra, words):
    config, _, _, overrides = describe(composed(words))
    json.dumps(config, allow_nan=False)
    again = describe(composed(gate.overrides(overrides, frozenset({"mine"})))).config
    assert config_hash(again) == config_hash(config)
    others = [describe(composed([re.sub("-?inf", other, word) for word in words])).config for other in ("1.5", "'inf'")]
    assert len({config_hash(one) for one in (config, *others)}) == 3


def test_infinite_values_of_an_object(hydra):
    config, name, *_ = describe(composed([]), Outlier(make_pipeline(SimpleImputer(), IsolationForest())))
    assert name == "Pipeline"
    assert config["detector"]["estimator"]["steps"][0][1]["missing_values"] == {"_type_": "float", "value": "nan"}
    json.dumps(config, allow_nan=False)


def test_hashes_of_shipped_rows(hydra):
    known = set(pd.read_csv("leaderboard/leaderboard.csv", usecols=["config_hash"])["config_hash"])
    for detector in ("isoforest", "sentinel", "bigram", "gru_predictor"):
        words = ["attack=spatiotemporal", "algo=vdn", f"detector={detector}"]
        assert config_hash(describe(composed(words)).config) in known


def test_a_class_is_not_taken_for_a_shipped_detector_of_its_name(hydra):
    assert describe(composed([]), type("random", (Far,), {})())[1] == "own_random"
    assert describe(composed([]), type("../odd name", (Far,), {})())[1].count("/") == 0
