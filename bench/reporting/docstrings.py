"""Docstrings as Markdown: sections in numpydoc's manner, whose entries are "name : what it is"."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

_ROLE = re.compile(r":\w+:`~?([^`]+)`")
ENTRY = re.compile(r"(\S[^:]*?) : (.*)")


def markdown(docstring: str) -> str:
    """A docstring as Markdown: names of sections are bold, their entries are lists, names of code are code."""
    return "\n".join(_converted(without_roles(inspect.cleandoc(docstring)).split("\n"))).strip()


def without_roles(text: str) -> str:
    """A text in which the names that Sphinx would link are plain code."""
    return _ROLE.sub(r"`\1`", text)


def _converted(lines: list[str]) -> Iterator[str]:
    section = False
    for number, line in enumerate(lines):
        after = lines[number + 1] if number + 1 < len(lines) else ""
        if line and after and set(after) == {"-"} and len(after) == len(line):
            section = True
            yield from (f"**{line}**", "")
        elif line and set(line) == {"-"} and number and len(line) == len(lines[number - 1]):
            continue  # the rule below a section's name
        elif section and (entry := ENTRY.fullmatch(line)):
            names = ", ".join(f"`{name}`" for name in entry[1].split(", "))
            yield f"- {names}: {entry[2]}"
        elif section and line.startswith("    "):
            yield f"  {line.strip()}"
        else:
            yield line
