"""Psi formulas: parsed, never run, and right also while only part of the trigger has been seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attacks.formula import FEATURES, Formula
from bench.errors import BenchError

LENGTH = 3
numbers = st.integers(-200, 200).map(lambda x: x / 100)
terms = numbers.map(str) | st.builds("{}{}[{}]".format, st.sampled_from(["", "-"]), st.sampled_from(FEATURES),
                                     st.integers(0, LENGTH - 1))
relations = st.sampled_from(["<", "<=", ">", ">=", "=="])
atoms = st.builds("{} {} {}".format, terms, relations, terms) | st.builds(
    "{} {} {} {} {}".format, terms, relations, terms, relations, terms)
formulas = st.recursive(atoms, lambda inner: st.builds(
    "({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner) | inner.map("(not {})".format), max_leaves=6)
places = st.lists(st.tuples(numbers, numbers, numbers), min_size=LENGTH, max_size=LENGTH).map(np.array)


def by_python(text, place):
    columns = {name: place[:, i] for i, name in enumerate(FEATURES)}
    return bool(eval(text, {"__builtins__": {}}, columns))


@given(formulas, places)
def test_a_whole_trigger_means_what_python_would_say(text, place):
    possible, certain = Formula(text, LENGTH)(place, LENGTH)
    assert bool(possible) == bool(certain) == by_python(text, place)


@given(formulas, places, places, st.integers(0, LENGTH))
def test_what_is_certain_or_impossible_early_stays_so(text, place, other, known):
    formula = Formula(text, LENGTH)
    future = np.concatenate([place[:known], other[known:]])
    possible, certain = formula(place, known)
    truth = by_python(text, future)
    assert possible or not truth
    assert truth or not certain


@given(formulas, st.lists(places, min_size=2, max_size=4))
def test_vectorised_over_leading_axes(text, many):
    formula, stacked = Formula(text, LENGTH), np.stack(many)
    together = formula(stacked[None], LENGTH)[0]
    assert together.shape == (1, len(many))
    assert together[0].tolist() == [bool(formula(place, LENGTH)[0]) for place in many]


@given(st.text(max_size=30))
def test_any_text_is_either_a_formula_or_one_clear_line(text):
    try:
        Formula(text, LENGTH)
    except BenchError as error:
        assert "\n" not in str(error).replace(text, "")


@pytest.mark.parametrize(("text", "message"), [
    ("dx[0] <", "does not parse"),
    ("", "does not parse"),
    ("dx > 0", r"say at which step, for example dx\[0\]"),
    ("dx[3] > 0", "a step is a whole number from 0 to 2"),
    ("dx[-1] > 0", "a step is a whole number from 0 to 2"),
    ("dz[0] > 0", "unknown feature .*'dz'; allowed: dx, dy, distance"),
    ("distanc[0] > 0", r"did you mean 'distance'\?"),
    ("dx[0]", "expected a comparison"),
    ("dx[0] + 1 > 0", "expected a number or a feature"),
    ("dx[0] != 0", "only < <= > >= == compare"),
    ("__import__('os').system('true') > 0", "expected a number or a feature"),
    ("(lambda: 1)() > 0", "expected a number or a feature"),
    ("dx[0] > True", "expected a number or a feature"),
    ("(" * 3000 + "dx[0] > 0" + ")" * 3000, "does not parse|a formula is nested .* deep|a formula has .* characters")])
def test_what_is_no_formula(text, message):
    with pytest.raises(BenchError, match=message):
        Formula(text, LENGTH)
