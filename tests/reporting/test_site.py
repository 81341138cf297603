"""The documentation as a site: it is built, and can be read in a browser, by everybody."""

from __future__ import annotations

import functools
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WINDOWS = [(1400, "light"), (390, "dark")]
KINDS = ["", "tutorial/first-run/", "attacks/spatiotemporal/", "detectors/isoforest/"]  # a page of each kind
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocs", reason="make docs installs what the site needs")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run([sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
                          cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def served(site):
    """The site's address: its search fetches a file, which a browser allows of no page that is a file itself."""
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_site_has_what_is_generated(site):
    assert (site / "leaderboard" / "index.html").exists()
    assert "isoforest" in (site / "detectors" / "isoforest" / "index.html").read_text()


@pytest.mark.parametrize("page", KINDS, ids=lambda page: page.strip("/") or "home")
def test_a_page_can_be_read_by_everybody(page, served, browser, barriers):
    for width, scheme in WINDOWS:
        window = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        wrong: list[str] = []
        window.on("console", lambda message, wrong=wrong: wrong.append(message.text))
        window.on("request", lambda asked, wrong=wrong: None if asked.url.startswith((served, "data:"))
                  else wrong.append(asked.url))
        window.goto(served + page, timeout=100_000)
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        assert barriers(window) == []
        window.close()
        assert wrong == []
