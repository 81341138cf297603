"""``python -m bench shifts`` as a user calls it, on the smallest map, with a shipped team."""

import pandas as pd
import pytest

from bench.__main__ import main

WORDS = ["shifts", "attack=scripted", "env.map=3m", "attack.victim=1", "budget.train_steps=1_600_000",
         "budget.fit_battles=20", "budget.shift_calibration_battles=100", "budget.shift_battles=40"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("shifts")
    assert main([*WORDS, "detector=ecod", f"out={out}"]) == 0
    return out


def test_every_shift_has_a_line(out):
    (path,) = out.glob("shifts/*.csv")
    found = pd.read_csv(path).set_index("shift")
    assert list(found.index) == ["none", "beginner", "dropped", "frozen", "noise", "opponent"]
    assert set(found.battles) == {40}
    assert (found.wins.drop("none") <= found.wins["none"] + 0.1).all(), "no shift helps"
    assert found.wins["beginner"] < found.wins["none"]
    for figure in ("wins", "alarms_at_1", "alarms_at_5"):
        there = found[figure].notna()
        assert found[f"{figure}_low"].le(found[figure])[there].all()
        assert found[f"{figure}_high"].ge(found[figure])[there].all()
    assert found.alarms_at_5.notna().all()
    assert found.wins_responding.isna().all()


@pytest.mark.slow
def test_what_a_response_makes_of_false_alarms(tmp_path, capsys):
    words = [*WORDS, "detector=ecod", f"out={tmp_path}", "shifts=[noise,opponent]"]
    assert main([*words, "response=halt"]) == 0
    assert "wins with halt" in capsys.readouterr().out
    assert main([*words, "response=fallback"]) == 0
    halted, fallen = (pd.read_csv(next(path for path in tmp_path.glob("shifts/*.csv") if set(
        pd.read_csv(path)["response"]) == {name})).set_index("shift") for name in ("halt", "fallback"))
    assert list(halted.index) == list(fallen.index) == ["none", "noise", "opponent"]
    assert (halted.wins == fallen.wins).all(), "as usual, without any"
    assert (halted.wins_responding <= halted.wins).all(), "a battle that is stopped is not won"
    assert halted.wins_responding["noise"] == 0 < halted.wins["noise"], "every one of them is a false alarm"
    assert (fallen.wins_responding >= halted.wins_responding).all()
    assert (fallen.wins - fallen.wins_responding).abs().max() <= 0.1, "the clean team goes on"


def test_too_few_battles_for_a_response(tmp_path, capsys):
    few = "budget.shift_calibration_battles=8"
    assert main([*WORDS, "detector=ecod", f"out={tmp_path}", "response=halt", few]) == 2
    assert "budget.shift_calibration_battles is 8; allowed: whole numbers from 19" in capsys.readouterr().err


def test_what_was_counted_is_read(out, capsys):
    before = {path: path.read_bytes() for path in out.glob("shifts/*")}
    assert main([*WORDS, "detector=ecod", f"out={out}"]) == 0
    said = capsys.readouterr()
    assert "read from" in said.err
    for words in ("as usual", "beginner", "alarms @5 %", "One agent's sensor freezes"):
        assert words in said.out
    assert {path: path.read_bytes() for path in out.glob("shifts/*")} == before


@pytest.mark.parametrize("spoilt", ["", "shift,battles\nnone,4\n", "\x00\x01", "a,b"])
def test_a_table_that_is_none(out, capsys, spoilt):
    (path,) = out.glob("shifts/*.csv")
    before = path.read_bytes()
    path.write_text(spoilt)
    assert main([*WORDS, "detector=ecod", f"out={out}"]) == 2
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert path.name in line
    path.write_bytes(before)


@pytest.mark.slow
def test_what_cannot_be_is_left_out(tmp_path, capsys):
    words = ["shifts", "env=smax", "env.opponent=closest", "attack=none", "algo=vdn", "budget.fit_battles=4",
             "budget.shift_calibration_battles=8", "budget.shift_battles=4", "detector=random",
             "shifts=[opponent]", f"out={tmp_path}"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "opponent is left out: smax/8m/closest is so as usual" in said.err
    assert "as usual" in said.out


@pytest.mark.parametrize(("words", "message"), [
    (["shifts=noises"], "unknown shift 'noises'; allowed: beginner, dropped, frozen, noise, opponent (did you mean "
                        "'noise'?)"),
    (["shifts=[noise,3]"], "unknown shift '3'"), (["detector=nobody"], "nobody"),
    (["response=freeze", "response.action=sit"], "unknown action in smax/8m/random 'sit'; allowed: north, ")])
def test_mistakes_get_one_line(words, message, tmp_path, capsys):
    assert main(["shifts", *words, f"out={tmp_path}"]) == 2
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert message in line
    assert not list(tmp_path.rglob("*.csv"))
