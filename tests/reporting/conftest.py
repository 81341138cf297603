"""A real browser, and what it says of a page."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.reporting import screenshot


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="pages are tried with playwright")
    try:
        path = screenshot.browser()
    except BenchError as error:
        pytest.skip(str(error))
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def barriers():
    """What keeps people out of a page that is open in a window, as axe-core finds it: serious and critical."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python").Axe()

    def found(window) -> list[tuple[str, str]]:
        violations = axe.run(window).response["violations"]
        return [(one["id"], node["html"]) for one in violations if one["impact"] in ("serious", "critical")
                for node in one["nodes"]]
    return found
