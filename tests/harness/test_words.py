"""From a configuration back to the words that make it."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_module

from bench import plugins
from bench.artifacts.files import config_hash
from bench.errors import BenchError
from bench.harness.configuration import describe
from bench.harness.words import words_of_config


@pytest.fixture
def hydra():
    with initialize_config_module("bench.conf", version_base="1.3"):
        yield


def config_of(words):
    return describe(compose("config", plugins.words(words)), None)[0]


@pytest.mark.parametrize("words", [
    [],
    ["attack=marnet", "algo=qmix", "seed=1", "detector=sentinel", "control=null"],
    ["attack=natural", "env.opponent=skirmish", "detector=isoforest", "view=hidden"],
    ["env.map=3m", "attack.victim=1", "budget=smoke", "budget.test_battles=9"],
    ["attack.trigger.psi='dx[0] > 0.8 and not dx[1] < -2'", "attack.trigger.zeta=[west,east]",
     "attack.poison_rate=0.25"],
    ["detector=isoforest_window", "view.length=8"],
    ["detector=pyod", "detector.estimator._target_=pyod.models.inne.INNE", "view=window",
     "+detector.estimator.n_estimators=50"],
    ["detector._target_=my_detector.FarFromNormal", "detector.note='it\\'s {mine}, \\\\'", "detector.parts=[{a: 1}]"]])
def test_the_words_make_the_configuration(hydra, words):
    config = config_of(words)
    assert config_hash(config_of(words_of_config(config, frozenset({"my_detector"})))) == config_hash(config)


def test_plain_choices_need_no_further_word(hydra):
    config = config_of(["attack=marnet", "algo=qmix", "detector=bigram", "budget=smoke"])
    assert words_of_config(config) == ["algo=qmix", "attack=marnet", "attack@control=benign_finetune", "budget=smoke",
                                       "seed=0", "detector=bigram"]


def test_what_no_words_make_is_refused(hydra):
    config = config_of([])
    with pytest.raises(BenchError, match=r"attack\.payload names the class os\.system; in a file only the detector's"):
        words_of_config(config | {"attack": config["attack"] | {"payload": {"_target_": "os.system", "first": 1}}})
    for changes in ({"benchmark_version": "0.0.1"}, {"attack": config["attack"] | {"name": "mine"}},
                    {"detector": None}):
        with pytest.raises(BenchError, match="no command of this version makes the result's configuration"):
            words_of_config(config | changes)
    with pytest.raises(BenchError, match="env names the class None; in a file only the detector's classes"):
        words_of_config(config | {"env": {}})
