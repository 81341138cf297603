"""The README's picture, a battle under the trigger, or of another page: ``python -m bench.reporting.screenshot``.

Needs Chromium (``apt install chromium``) and playwright, which the tests use as well.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from bench.artifacts.files import write_atomic
from bench.errors import BenchError
from bench.reporting.page import PAGE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PICTURE = PAGE.with_name("battle.png")
REPLAY, STEP = PAGE.parent / "figures/spatiotemporal-vdn-s0-replay.html", 99  # its end: who has won


def browser() -> str:
    """The path of an installed browser. Raises BenchError if there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise BenchError(f"no browser is installed; one of these is needed: {', '.join(BROWSERS)}")
    return found


def screenshot(page: Path, fragment: str = "", width: int = 1280, height: int | None = 900,
               scheme: Literal["light", "dark"] = "light") -> bytes:
    """What a page looks like in a window, as PNG.

    Parameters
    ----------
    page : an HTML file.
    fragment : where it is opened: ``detector-NAME`` of the leaderboard's page, a step of a replay.
    width, height : of the window, in pixels; a height of None is as high as the page.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        window = chromium.new_page(viewport={"width": width, "height": height or 1}, color_scheme=scheme)
        window.goto(page.absolute().as_uri() + (f"#{fragment}" if fragment else ""))
        picture = window.screenshot(full_page=height is None)
        chromium.close()
    return picture


if __name__ == "__main__":
    write_atomic(PICTURE, screenshot(REPLAY, str(STEP), width=1000, height=None))
