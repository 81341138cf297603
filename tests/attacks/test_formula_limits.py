"""Formulas come with strangers' results: long, deep and odd ones are one error, whatever they hold."""

from __future__ import annotations

import pytest
from bench.attacks.formula import DEEPEST, LONGEST, Formula

from bench.errors import BenchError

ATOM = "dx[0] < 1"


@pytest.mark.parametrize(("text", "message"), [
    ("not " * 245 + ATOM, "a formula is nested 245 deep; allowed: up to 50"),
    ("not " * (DEEPEST + 1) + ATOM, "a formula is nested 51 deep"),
    ("not " * 100_000 + ATOM, "a formula has 400,009 characters; allowed: up to 1,000"),
    ("(" * 450 + ATOM + ")" * 450, "does not parse"), ("(" * 100_000, "characters; allowed: up to 1,000"),
    (ATOM + " and " + "9" * 900 + " < dx[0]", "the number is too great"),
    ("-" * 900 + "1 < dx[0]", "expected a number"),
    (["dx"], "a formula is text; this one is of type list"), (None, "of type NoneType"), (7, "of type int"),
    ("\x00", "does not parse"), ("\ud800", "does not parse"), ("", "does not parse")])
def test_odd_formulas(text, message):
    with pytest.raises(BenchError, match=message):
        Formula(text, 4)


def test_formulas_within_the_limits():
    Formula("not " * DEEPEST + ATOM, 4)
    Formula((f"{ATOM} and " * 100)[:LONGEST // 14 * 14 - 5].strip(), 4)
