"""Progress on the terminal: a bar a stage."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.contracts import Progress as Report

WIDTH = 124  # of reports that go to a file or a pipe

# Paths and names are what they are: in rich's eyes "[a]" would be markup and ":x:" a picture.
_PLAIN: Any = {"markup": False, "emoji": False}
console = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else WIDTH, **_PLAIN)
messages = Console(stderr=True, **_PLAIN)


def remark(text: str) -> None:
    """Say something beside the results, on standard error."""
    messages.print(text, style="yellow", soft_wrap=True, highlight=False)


@contextmanager
def bar(what: str) -> Iterator[Report]:
    """A stage of a run: shows what is done, and takes reports of how far it is."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(),
               TextColumn("{task.fields[note]}", markup=False), TimeElapsedColumn(), TextColumn("left"),
               TimeRemainingColumn())
    with Progress(*columns, console=messages) as progress:
        task = progress.add_task(what, total=1.0, note="")

        def report(share: float, note: str) -> None:
            progress.update(task, completed=share, note=note)

        yield report
