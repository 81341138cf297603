"""What an attack could be instead, and the overrides that make it."""

import shlex

import pytest
from hydra import initialize_config_module

from bench.artifacts.written import plain
from bench.contracts import VariedTrigger
from bench.errors import BenchError
from bench.harness import composed as composing
from bench.harness.candidates import candidates, changed, in_shell

BASE = ["attack=backdoorl", "env.map=3m", "attack.victim=1"]
PLACES = [{}, {"psi": "distance[0] < 1.0 and distance[2] < 1.0", "seen_from": 0}]


@pytest.fixture(scope="module")
def composed():
    with initialize_config_module("bench.conf", version_base="1.3"):
        yield lambda *words: composing.composed(words)


@pytest.fixture
def found(composed, battles):
    def make(n=200, longest=3, places=PLACES, vary=None, seed=0, base=BASE):
        return candidates(composed(*base).attack, battles.spec, longest, places, vary or {}, n, seed)

    return make


@pytest.mark.slow
def test_every_candidate_is_what_its_overrides_make(found, composed):
    for one in found(12, vary={"retraining.choice_weight": [0.1, 1.0], "trigger.unit": ["map"]}):
        theirs = plain(composed(*BASE, *one.overrides).attack)
        assert theirs == plain(changed(composed(*BASE).attack, one.changes)) != plain(composed(*BASE).attack)
        assert shlex.split(in_shell(one.overrides)) == list(one.overrides)


@pytest.mark.slow
def test_all_lengths_take_their_turn_and_what_does_not_fit_is_left_out(found, battles):
    attacks = [one.attack for one in found(30)]
    assert all(isinstance(one.trigger, VariedTrigger) for one in attacks)
    lengths = [one.trigger.length for one in attacks]
    assert (lengths.count(2), lengths.count(3)) == (15, 15), "of length 1 none fits: both places speak of later steps"
    assert sum(one.trigger.seen_from == 0 for one in attacks) > 5
    assert all(one.trigger.length == 3 for one in attacks if one.trigger.seen_from == 0), "its Psi has a third step"
    assert {one.victims for one in attacks} == {(1,)}


@pytest.mark.slow
def test_the_same_seed_draws_the_same(found):
    one, same, other = ([one.key for one in found(20, seed=seed)] for seed in (0, 0, 1))
    assert one == same != other
    assert len(set(one)) == 20


def test_all_of_a_small_space(found, battles):
    orders = len(battles.spec.outsider_orders)
    both = found(1_000, longest=2, places=[])
    assert len(both) == orders ** 2
    own = [*BASE, "attack.trigger.zeta=[west,west]"]
    assert len(found(1_000, longest=2, places=[], base=own)) == orders ** 2 - 1, "it is no candidate itself"


def test_a_trigger_that_is_no_pattern_has_other_values(found):
    base = ["attack=trojdrl", "env.map=3m", "attack.victim=1"]
    with pytest.raises(BenchError, match="attack=trojdrl is no pattern"):
        found(base=base)
    assert [one.overrides for one in found(base=base, vary={"duration": [9, 120]})] == [("attack.duration=9",)]


@pytest.mark.parametrize(("options", "message"), [
    ({"places": [{"pso": "dx[0] < 1"}]}, "unknown value of the trigger 'pso'; allowed: _target_, victim, psi"),
    ({"places": [{"psi": "dx < 1"}]}, "say at which step"),
    ({"places": [{"psi": "dx[4] < 1"}]}, "a step is a whole number from 0 to 3"),
    ({"longest": 1}, "none of them fits a trigger of up to 1 steps"),
    ({"vary": {"duration": 9}}, "adapt.vary: duration is 9; a list of values is needed"),
    ({"vary": {"duration": [0]}}, "duration is 0"),
    ({"vary": {"retraining.choice_wait": [1]}}, "choice_wait is 1; Unexpected keyword argument")])
def test_values_that_no_attack_has(found, options, message):
    with pytest.raises(BenchError, match=message.replace("[", r"\[")):
        found(**options)
