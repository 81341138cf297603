"""The picture of the page."""

from __future__ import annotations

import pytest

from bench.errors import BenchError
from bench.reporting import screenshot


@pytest.mark.slow
def test_a_picture_shows_the_window(tmp_path):
    pytest.importorskip("playwright.sync_api", reason="needs playwright")
    try:
        screenshot.browser()
    except BenchError as error:
        pytest.skip(str(error))
    (tmp_path / "page.html").write_text("<body style='margin:0;background:red'>")
    picture = screenshot.screenshot(tmp_path / "page.html")
    assert picture.startswith(b"\x89PNG")
    assert size(picture) == (1280, 900)
    (tmp_path / "page.html").write_text("<body style='margin:0'><p style='margin:0;height:300px'>")
    assert size(screenshot.screenshot(tmp_path / "page.html", width=400, height=None)) == (400, 300)


def size(picture: bytes) -> tuple[int, int]:
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


def test_no_browser(monkeypatch):
    monkeypatch.setattr(screenshot.shutil, "which", lambda _: None)
    with pytest.raises(BenchError, match="no browser is installed; one of these is needed: chromium, "):
        screenshot.browser()
