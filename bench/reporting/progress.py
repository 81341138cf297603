"""Progress on the terminal: a bar a stage."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench.contracts import Progress as Report

WIDTH = 124  # of reports that go to a file or a pipe

console = Console(width=None if sys.stdout.isatty() else WIDTH)
messages = Console(stderr=True)


def remark(text: str) -> None:
    """Say something beside the results, on standard error."""
    # Lists in a command are no markup of rich's.
    messages.print(text, style="yellow", soft_wrap=True, highlight=False, markup=False, emoji=False)


@contextmanager
def bar(what: str) -> Iterator[Report]:
    """A stage of a run: shows what is done, and takes reports of how far it is."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[note]}"),
               TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=messages) as progress:
        task = progress.add_task(what, total=1.0, note="")

        def report(share: float, note: str) -> None:
            progress.update(task, completed=share, note=note)

        yield report
