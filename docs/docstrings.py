"""What mkdocstrings shows of a docstring is what the pages of the detectors show."""

from __future__ import annotations

from typing import Any

import griffe

from bench.reporting.docstrings import markdown


class Markdown(griffe.Extension):
    """Turns docstrings into Markdown when they have been collected."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
