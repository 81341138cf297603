"""Options as they are composed, and what detectors are called."""

import pytest
from hydra import initialize_config_module
from omegaconf import OmegaConf
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench import options
from bench.artifacts.files import config_hash
from bench.artifacts.written import plain
from bench.envs import ENVIRONMENTS
from bench.errors import BenchError
from bench.harness import composed as composing
from bench.harness.configuration import check, describe, option
from bench.harness.names import backdoored_name, clean_name, clean_recipe
from detectors import NGram, Outlier, Window


@pytest.fixture(scope="module")
def composed():
    with initialize_config_module("bench.conf", version_base="1.3"):
        yield lambda *words: composing.composed(words)


@pytest.mark.parametrize("name", ["isoforest_window", "ocsvm", "pyod", "bigram"])
def test_an_option_is_what_hydra_composes(composed, name):
    theirs = OmegaConf.to_container(composed(f"detector={name}").detector, resolve=True)
    assert OmegaConf.to_container(option("detector", name)) == theirs


def test_every_detector_has_a_name_of_its_own():
    detectors = [OmegaConf.to_container(option("detector", name)) for name in options.names("detector")]
    assert all(detectors.count(detector) == 1 for detector in detectors)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(("words", "name"), [
    ("", "isoforest"), ("detector=hbos", "hbos"), ("detector=bigram", "bigram"),
    ("detector=bigram detector.n=3", "NGram"), ("view=step", "isoforest"), ("view=window", "isoforest_window"),
    ("view=differences", "isoforest_differences"), ("detector=knn view=window view.length=8", "knn_Window"),
    ("detector=isoforest_window view=step", "isoforest_window_step"), ("detector.seed=1", "IsolationForest_step"),
    ("detector=pyod detector.estimator._target_=pyod.models.ecod.ECOD view=window", "ECOD_window"),
    ("~detector +detector._target_=my.Detector", "Detector"),
    ("~detector +detector._target_=my.Detector +detector.view='${view}' view=own", "Detector_own")])
def test_what_a_detector_is_called(composed, words, name):
    cfg = composed(*words.split())
    check(cfg)
    config, called, view, overrides = describe(cfg)
    assert called == name
    assert "view" not in config
    assert config["detector"].get("view") == (cfg.get("view") and plain(cfg.view))
    assert (view is None) == (cfg.get("view") is None)
    assert describe(composed(*overrides)) == (config, name, view, overrides), "its words make the same again"


@pytest.mark.parametrize("words", ["detector=bigram view=window", "~detector +detector._target_=my.Detector view=own",
                                   "~detector view=own"])
def test_a_view_for_a_detector_that_takes_none(composed, words):
    with pytest.raises(BenchError, match="view=.* is given, but this detector takes none"):
        check(composed(*words.split()))


@pytest.mark.slow
def test_a_cell_is_what_its_figures_depend_on(composed):
    plain = describe(composed()).config
    elsewhere = ("out=elsewhere", "keep_episodes=true", "command=export", "format=parquet",
                 "budget.repair_steps=9", "budget.accident_battles=9", "budget.stealth_battles=9", "isolation=process",
                 "budget.adapt_puppets=9")
    assert describe(composed(*elsewhere)).config == plain
    patched, searched, scripted, by_fewer = (describe(composed(*words.split())).config for words in (
        "attack=trojdrl", "attack=trojdrl budget.search_battles=9", "attack=scripted",
        "attack=scripted budget.search_battles=9"))
    assert searched == patched, "it searches for nothing"
    assert by_fewer != scripted
    changed = [describe(composed(*words.split())).config for words in (
        "response=halt", "response=fallback", "defender=trusted", "response=halt defender=trusted", "after_steps=6",
        "budget.test_battles=9", "seed=1", "control=null", "algo.gamma=.9", "env.opponent=closest")]
    assert all(one != other for i, one in enumerate([plain, *changed]) for other in changed[i:])


def test_how_many_games_there_are_is_part_of_a_teams_name_and_of_a_cell(composed):
    """It says which battles are learned from together; how long a game is waited for changes nothing."""
    env = ENVIRONMENTS["smac"].identity({"map": "3m", "difficulty": "7"})
    cells = [composed("env=smac", "env.map=3m", "detector=isoforest", *words) for words in (
        (), ("env.games=4",), ("env.games=2",), ("env.seconds=60",))]
    for names in ([clean_name(cfg, env) for cfg in cells], [backdoored_name(cfg, cfg.attack, env) for cfg in cells],
                  [config_hash(describe(cfg).config) for cfg in cells]):
        assert names[0] == names[1] == names[3] != names[2]
    assert clean_recipe(cells[2], env)["at_once"] == 2
    assert "at_once" not in clean_recipe(composed(), env)


def test_the_words_of_a_cell_are_all_that_make_it(composed):
    chosen = ["env=smax", "algo=vdn", "attack=spatiotemporal", "detector=isoforest", "budget=standard", "seed=0"]
    assert describe(composed("out=elsewhere", "command=export", "format=parquet")).overrides == chosen
    given = ["attack=marnet", "algo=qmix", "detector=bigram", "budget=smoke", "env.map=3m", "seed=2", "control=null"]
    assert describe(composed("keep_episodes=true", *given)).overrides == ["env=smax", *given]


def test_a_detector_made_by_hand_is_written_down_with_what_it_is_made_of(composed):
    made = Outlier(make_pipeline(StandardScaler(), IsolationForest(n_estimators=7)), Window(3))
    config, name, view, overrides = describe(composed("detector=knn", "view=own", "seed=1"), made)
    assert view == "Window"
    assert not [word for word in overrides if word.startswith(("detector", "view"))], "no word makes it"
    assert name == "Pipeline_Window"
    written = config["detector"]
    assert written["_target_"] == "detectors.outlier.Outlier"
    assert written["view"] == {"_target_": "detectors.views.over.Window", "length": 3, "view": None}
    assert written["estimator"]["steps"][1][1]["n_estimators"] == 7
    assert describe(composed(), NGram(3))[1] == "NGram"
    assert describe(composed(), Outlier(IsolationForest()))[1] == "IsolationForest"
