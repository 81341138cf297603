"""``python -m bench adapt`` as a user calls it, on the smallest map, with a shipped clean team."""

import json
import shlex

import pandas as pd
import pytest

from bench.__main__ import main
from bench.artifacts.files import read_json
from bench.harness.trials import ByPuppet

TEAM = ["attack=backdoorl", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000"]
SMALL = ["budget.adapt_puppets=6", "budget.adapt_battles=24", "budget.fit_battles=40", "budget.test_battles=60",
         "budget.calibration_battles=40", "adapt.puppet.battles=32", "adapt.longest=2", "adapt.finalists=2",
         "adapt.min_asr=.5"]
WORDS = ["adapt", "trigram_conditional", *TEAM, *SMALL, "adapt.inject=false"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("adapt")
    assert main([*WORDS, f"out={out}"]) == 0
    return out


def table(out):
    (path,) = out.glob("adapt/*.csv")
    return pd.read_csv(path)


@pytest.mark.slow
def test_what_is_found_is_lower_in_battles_that_were_not_searched_on(out):
    found = table(out)
    assert found.groupby("round").size().to_dict() == {"screening": 7, "finals": 3, "held out": 2}
    assert (found.role == "original").sum() == 3
    held = found[found["round"] == "held out"].set_index("role")
    assert held.before["original"] > 0.9, "a counter of moves sees four of them"
    assert held.before["chosen"] < held.before["original"]
    assert held.asr["chosen"] > 0.5
    assert (found.cpvr == 0).all(), "without the trigger a puppet is its clean self"
    assert (found.accidents <= 0.01)[found.role != "original"].all()
    for figure in ("asr", "before", "after", "whole"):
        assert found[f"{figure}_low"].le(found[figure]).all()
        assert found[f"{figure}_high"].ge(found[figure]).all()
    assert not (out / "teams").exists()


def test_a_search_that_is_through_is_read(out, capsys, monkeypatch):
    before = {path.name: path.read_bytes() for path in out.glob("adapt/*")}
    monkeypatch.setattr(ByPuppet, "__call__", lambda *_: pytest.fail("nothing is to be tried again"))
    assert main([*WORDS, f"out={out}"]) == 0
    said = capsys.readouterr().out
    for words in ("screening", "finals", "held out", "as configured", "AUROC before"):
        assert words in said
    assert {path.name: path.read_bytes() for path in out.glob("adapt/*")} == before
    (command,) = [line for line in said.splitlines() if "python -m bench run" in line]
    chosen = table(out).query("role == 'chosen'").overrides.iloc[0]
    assert set(shlex.split(chosen)) | {"attack=backdoorl", "detector=trigram_conditional", "control=null"} <= set(
        shlex.split(command))
    assert not [word for word in shlex.split(command) if word.startswith(("adapt", "budget.adapt_"))]


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on(out, tmp_path):
    (record,) = out.glob("adapt/*.json")
    known = read_json(record)
    known["trials"] = {"screening": dict(list(known["trials"]["screening"].items())[:3])}
    known["history"] = known["history"][:5]
    (tmp_path / "adapt").mkdir()
    (tmp_path / "adapt" / record.name).write_text(json.dumps(known))
    assert main([*WORDS, f"out={tmp_path}"]) == 0
    pd.testing.assert_frame_equal(table(tmp_path), table(out))


def test_a_record_that_is_none(out, tmp_path, capsys):
    (record,) = out.glob("adapt/*.json")
    (tmp_path / "adapt").mkdir()
    (tmp_path / "adapt" / record.name).write_text('{"trials": 1}')
    assert main([*WORDS, f"out={tmp_path}"]) == 2
    assert "is no record of a search: trials: Input should be" in capsys.readouterr().err


@pytest.mark.slow
def test_a_bound_that_none_keeps(tmp_path, capsys):
    never = ["attack.trigger.psi='distance[0] < 0'", "attack.trigger.seen_from=0", "adapt.places=[]"]
    assert main([*WORDS, *never, "budget.adapt_puppets=2", f"out={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert "none of 3 attacks keeps the bounds (adapt.min_asr=0.5, max_cpvr=0.05, max_accidents=0.01)" in said
    assert len(list(tmp_path.glob("adapt/*.json"))) == 1, "what was tried is kept"
    assert not list(tmp_path.glob("adapt/*.csv"))


@pytest.mark.slow
def test_the_chosen_attack_is_injected(tmp_path, capsys):
    """And it is measured as by the command that the search prints."""
    words = [*WORDS[:-1], "budget.imitate_steps=3_000", "budget.inject_eval_battles=16", f"out={tmp_path}"]
    assert main(words) == 0
    injected = table(tmp_path).query("round == 'injected'").set_index("role")
    assert list(injected.index) == ["original", "chosen"]
    (command,) = [line for line in capsys.readouterr().out.splitlines() if "python -m bench run" in line]
    assert main(shlex.split(command)[3:]) == 0
    said = capsys.readouterr()
    assert "read from" in said.err, "it has been measured already"
    assert "no checkpoint matches" not in said.err


@pytest.mark.slow
def test_by_injection(tmp_path):
    """Of a detector that looks into the network, with a value of the retraining."""
    words = ["adapt", "consensus_distance", *TEAM, *SMALL, "budget.imitate_steps=3_000",
             "budget.inject_eval_battles=16", "budget.adapt_injections=2",
             "adapt.by=injection", "adapt.vary={retraining.choice_weight: [0.1, 1.0]}", "adapt.min_asr=-1",
             "adapt.max_cpvr=1", "adapt.max_accidents=1", "adapt.inject=false", f"out={tmp_path}"]
    assert main(words) == 0
    found = table(tmp_path)
    assert found["round"].tolist() == ["finals"] * 3
    assert found.overrides.str.contains("retraining.choice_weight").sum() == 2
    assert len(list(tmp_path.glob("teams/*backdoorl*.safetensors"))) == 3


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("words", "message"), [
    (["consensus_distance"], "consensus_distance looks at policy, consensus, and the network of a team with a puppet"),
    (["isoforest", "view=hidden"], "adapt.by=injection injects every candidate"),
    (["isofores"], "(did you mean 'isoforest'?)"),
    (["attack=none"], "attack=none leaves no backdoor: there is nothing to adapt"),
    (["attack=trojdrl"], "the trigger of attack=trojdrl is no pattern that could be another one"),
    (["adapt.objective=befor"], "objective is 'befor'; Input should be 'before', 'after', 'whole' or 'worst'"),
    (["adapt.min_asr=2"], "min_asr is 2; Input should be less than or equal to 1"),
    (["adapt.longest=9"], "longest is 9"),
    (["adapt.foo=1"], "unknown value 'adapt.foo'; allowed: adapt.puppet"),
    (["budget.adapt_puppets=0"], "budget.adapt_puppets is 0"),
    (["adapt.places=[{pso: 1}]"], "unknown value of the trigger 'pso'"),
    (["adapt.vary={duration: [9]}"], "duration makes no difference to a puppet, which learns nothing"),
    (["payload@adapt.puppet=worst_action"], "a puppet cannot act out a payload of type WorstAction"),
    (["attack=marnet", "payload@adapt.puppet=opened_failing"], "the trigger of attack=marnet is no pattern")])
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    assert main(["adapt", *words, f"out={tmp_path}"]) == 2
    said = [text for text in capsys.readouterr().err.splitlines() if text.startswith("error: ")]
    assert len(said) == 1
    assert message in said[0]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "nothing half-written"
