"""The words of a configuration: paths are taken as typed, and what is wrong is said in our own words."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, strategies

from bench import evaluate, options
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
    assert prepared([f"{name}=~/x"]) == prepared([f"{name}='~/x'"]) == [f"{name}='/home/who/x'"]
    assert prepared([f"{name}=null", "--config-dir", "~/y"]) == [f"{name}=null", "--config-dir", "~/y"]


@pytest.mark.parametrize(("word", "message"), [
    ("seed=0,1", "several values; -m runs one after the other"), ("detecor=isoforest", "did you mean 'detector'"),
    ("atack=none", "did you mean 'attack'"), ("budget.test_battle=3", "did you mean 'budget.test_battles'"),
    ("+x=1", "unknown option or value 'x'"), ("seed=", "seed is empty"), ("env.map=", "env.map is empty"),
    ("=3", "is no NAME=VALUE"), ("+seed=1", "leave the + away"), ("attack@contrl=none", "'attack@control'"),
    ("budget.test_battles=a#b", "has to be quoted"), ("out=${x}", "stands for another value"), ("out=a${b", "stands"),
    ("out=" + "a" * 300, "part of 300 bytes"), ("out=a\nb", "allowed: paths without")])
def test_mistakes_from_python(word, message):
    with pytest.raises(BenchError) as said:
        evaluate(overrides=(word,))
    assert message in str(said.value)


def test_help_has_whole_sentences():
    assert options.summary("detector", "sentinel").endswith("their surprises added up.")
