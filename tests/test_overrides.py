"""The words of a configuration: paths are taken as typed, and what is wrong is said in our own words."""

import pytest
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, strategies

from bench import evaluate, options
from bench.__main__ import main
from bench.errors import BenchError
from bench.overrides import PATHS, prepared


@given(strategies.text("a'\"\\ #$,=[]()ü?*:|/@%;&!.~", min_size=1, max_size=8))
def test_paths_are_what_was_typed(path):
    if path.startswith(("~", "'", '"')):
        path = f"x{path}"
    (word,) = prepared([f"out={path}"])
    assert OverridesParser.create().parse_override(word).value() == path
    assert prepared([word]) == [word], "a command's words may go on to another one"


@pytest.mark.parametrize("name", PATHS)
def test_the_home_folder(name, monkeypatch):
    monkeypatch.setenv("HOME", "/home/who")
    top = name.partition(".")[0]
    command = next(command for command in ("run", *options.names("command")) if top in options.top(command))
    own = [] if command == "run" else [f"command={command}"]
    assert prepared([f"{name}=~/x"], command) == prepared([f"{name}='~/x'"], command) == [*own, f"{name}='/home/who/x'"]
    assert prepared([f"{name}=null", "--config-dir", "~/y"], command) == [*own, f"{name}=null", "--config-dir", "~/y"]


@pytest.mark.parametrize(("word", "message"), [
    ("seed=0,1", "seed=0,1 gives several values; one at a time"), ("detecor=isoforest", "did you mean 'detector'"),
    ("atack=none", "did you mean 'attack'"), ("budget.test_battle=3", "did you mean 'budget.test_battles'"),
    ("+x=1", "unknown option or value 'x'"), ("seed=", "seed is empty"), ("env.map=", "env.map is empty"),
    ("=3", "is no NAME=VALUE"), ("+seed=1", "leave the + away"), ("attack@contrl=none", "'attack@control'"),
    ("budget.test_battles=a#b", "has to be quoted"), ("out=${x}", "stands for another value"), ("out=a${b", "stands"),
    ("out=" + "a" * 300, "part of 300 bytes"), ("out=a\nb", "allowed: paths without")])
def test_mistakes_from_python(word, message):
    with pytest.raises(BenchError) as said:
        evaluate(overrides=(word,))
    assert message in str(said.value)


@pytest.mark.parametrize(("word", "message"), [
    ("detector=null", "unknown detector 'null'; allowed: action_drift"), ("attack=[a]", "unknown attack '[a]'"),
    ("algo=1", "unknown algo '1'; allowed: coma, ippo, mappo, qmix, vdn"),
    ("env={a:1}", "unknown env '{a:1}'; allowed: intersection, smac, smax"),
    ("detector=[a,b]", "unknown detector"), ("budget=null", "unknown budget 'null'; allowed: dev, smoke, standard"),
    ("~seed", "seed cannot be taken away"), ("~budget.test_battles", "cannot be taken away"), ("~limits", "cannot be"),
    ("+budget.x=3", "unknown value 'budget.x'; allowed: budget."),
    ("cells.detector=x", "cells is of the command leaderboard; run has no such value"),
    ("++budget.test_battle=3", "did you mean 'budget.test_battles'"), ("+limits.x=1", "unknown value 'limits.x'"),
    ("+control.foo=1", "unknown value 'control.foo'")])
def test_words_that_would_do_nothing(word, message):
    with pytest.raises(BenchError) as said:
        prepared([word])
    assert message in str(said.value)


@pytest.mark.parametrize(("command", "word", "message"), [
    ("leaderboard", "+cells.detectr=x", "did you mean 'cells.detector'"),
    ("race", "+race.second=3", "unknown value 'race."),
    ("models", "repair=prune", "repair is of the command check and repair; models has no such value"),
    ("models", "command=zoo", "unknown option or value 'command'"),
    ("export", "cell.seed=1", "did you mean 'seed'?")])
def test_words_of_other_commands(command, word, message):
    with pytest.raises(BenchError) as said:
        prepared([word], command)
    assert message in str(said.value)


@pytest.mark.parametrize("word", [
    "+detector.x=1", "+detector.estimator.x=1", "++env.x=1", "view=null", "control=null", "attack@control=null",
    "~detector", "~attack.trigger.psi", "++budget.test_battles=3", "detector=pyod", "+attack@control=told"])
def test_words_that_stay(word):
    assert prepared([word]) == [word]


def test_no_flag_is_advised_to_a_caller():
    with pytest.raises(BenchError) as said:
        evaluate(overrides=("seed=0,1",))
    assert "-m" not in str(said.value)


def test_help_has_whole_sentences():
    assert options.summary("detector", "sentinel").endswith("their surprises added up.")


def test_a_configuration_is_composed_once_unless_a_mode_may_be_given(monkeypatch):
    composed = []
    compose = Hydra.compose_config
    monkeypatch.setattr(Hydra, "compose_config", lambda self, *args, **more: composed.append(1) or compose(
        self, *args, **more))
    for more, times in (([], 1), (["hydra.verbose=false"], 2), (["--config-dir", "conf"], 2)):
        composed.clear()
        assert main(["run", "attack.victim=99", *more]) == 2, "which is refused once it is composed"
        assert len(composed) == times
