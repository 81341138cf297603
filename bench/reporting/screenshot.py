"""The picture of the leaderboard's page for the README: ``python -m bench.reporting.screenshot``.

Needs Chromium (``apt install chromium``) and playwright, which the tests use as well.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.artifacts.files import write_atomic
from bench.errors import BenchError
from bench.reporting.page import PAGE

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1280, "height": 900}  # of the window, in pixels


def browser() -> str:
    """The path of an installed browser. Raises BenchError if there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise BenchError(f"no browser is installed; one of these is needed: {', '.join(BROWSERS)}")
    return found


def screenshot(page: Path, detector: str | None = None) -> bytes:
    """What a page looks like in a window, as PNG; from the card of ``detector`` on, if one is named."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        window = chromium.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        window.goto(page.absolute().as_uri() + (f"#detector-{detector}" if detector else ""))
        picture = window.screenshot()
        chromium.close()
    return picture


if __name__ == "__main__":
    write_atomic(PAGE.with_name("screenshot.png"), screenshot(PAGE))
