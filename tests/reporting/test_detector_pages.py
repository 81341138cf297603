"""The detectors' pages."""

import re

from bench import options
from bench.reporting.detector_pages import FOLDER, pages


def test_every_detector_has_a_page_as_generated():
    found = pages()
    assert {file.stem for file in found} == {*options.names("detector"), "README"}
    assert {file.name for file in FOLDER.glob("*.md")} == {file.name for file in found}
    for file, page in found.items():
        assert file.read_text() == page, "run: python -m bench.reporting.detector_pages"


def test_a_page_says_what_it_is_how_to_run_it_and_what_it_reaches():
    page = pages()[FOLDER / "isoforest.md"]
    assert options.summary("detector", "isoforest") in page
    assert "python -m bench run detector=isoforest" in page
    assert re.search(r"\| \[trojdrl\]\(\.\./attacks/trojdrl\.md\) \| 8m/random \| \d+ \| (\d\.\d\d|-)", page)


def test_links_lead_somewhere():
    for file in FOLDER.glob("*.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", file.read_text()):
            assert (FOLDER / link).exists(), (file, link)
