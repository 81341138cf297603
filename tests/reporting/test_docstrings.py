"""Docstrings as Markdown."""

import inspect

from bench.reporting.docstrings import markdown
from detectors import Ensemble, Outlier

TEXT = """A title, of :class:`bench.contracts.Episodes` and :func:`~bench.x.f`.

    More of it, ``code``.

    Parameters
    ----------
    first, second : what they are,
        said on two lines.
    third : in (0, 1].

    References
    ----------
    Somebody, "Something", 2020: it is in there.
    """


def test_sections_are_bold_and_entries_are_lists():
    assert markdown(TEXT) == """A title, of `bench.contracts.Episodes` and `bench.x.f`.

More of it, ``code``.

**Parameters**

- `first`, `second`: what they are,
  said on two lines.
- `third`: in (0, 1].

**References**

Somebody, "Something", 2020: it is in there."""


def test_nothing_is_lost():
    for of in (Ensemble, Outlier, inspect.cleandoc):
        said = markdown(of.__doc__)
        for word in inspect.cleandoc(of.__doc__).replace(":", " ").replace("`", " ").replace(",", " ").split():
            assert word.strip("~-.") in said, word
