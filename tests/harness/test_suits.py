"""What an environment puts in the place of another game's words."""

import pytest
from hydra import initialize_config_module

from bench import compat, options
from bench.build import build
from bench.envs import ENVIRONMENTS
from bench.envs.intersection import IntersectionBattles
from bench.harness.composed import composed, made, suited

HERE = "env=intersection"


@pytest.fixture(scope="module", autouse=True)
def hydra():
    with initialize_config_module("bench.conf", **compat.VERSION):
        yield


@pytest.mark.sampled(4)
@pytest.mark.parametrize("choice", [key for key in ENVIRONMENTS["intersection"].suits if key.startswith("attack=")])
def test_an_attack_that_is_fitted_to_the_environment_can_be_made_there(choice):
    cfg = composed([HERE, choice])
    build(cfg.attack, "attack").require(IntersectionBattles().spec)
    assert made(cfg).overrides == [HERE, choice], "what a row says is what was typed"


def test_every_key_is_a_choice():
    for key, words in ((key, words) for one in ENVIRONMENTS.values() for key, words in one.suits.items()):
        group, _, option = key.partition("=")
        assert option in options.names("attack" if group == "control" else group), key
        assert words


def test_what_is_given_is_left_as_it_is():
    cfg = composed([HERE, "attack=scripted", "attack.victim=1", "trigger@attack.trigger=always", "budget=smoke"])
    assert (cfg.attack.victim, cfg.budget.train_steps) == (1, composed(["budget=smoke"]).budget.train_steps)
    assert cfg.attack.trigger == composed(["attack=always_on"]).attack.trigger
    assert cfg.control.victim == 1
    assert "trigger@control.trigger=stop_and_go" not in suited([HERE, "control=null"])
    assert suited([HERE, "~attack", "+attack._target_=mine.Attack", "control=null", "budget=smoke"]) == []


def test_a_team_of_traffic_learns_for_as_long_as_the_shipped_ones():
    cfg = composed([HERE, "algo=mappo", "budget=dev"])
    assert (cfg.algo.steps, "keep" in cfg.algo) == (600_000, False)
    assert composed([HERE, "budget=dev"]).algo.steps == composed([HERE]).algo.steps == 500_000
    assert composed([HERE, "algo=mappo", "algo.keep=best"]).algo.keep == "best"


def test_a_response_stops_by_what_there_is():
    assert composed([HERE, "response=freeze"]).response.action == "slower"
    assert composed([HERE, "response=freeze", "response.action=idle"]).response.action == "idle"
    assert composed(["response=freeze"]).response.action == "stop"


def test_the_default_environment_needs_nothing():
    assert suited([]) == suited(["attack=scripted"]) == []
