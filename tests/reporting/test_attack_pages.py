"""The attacks' pages."""

import re

from hydra import initialize_config_module

from bench import compat, options
from bench.reporting.attack_pages import FOLDER, pages


def test_every_attack_has_a_page_and_its_head_is_as_generated():
    with initialize_config_module("bench.conf", **compat.VERSION):
        found = pages()
    assert {file.stem for file in found} == set(options.names("attack"))
    for file, page in found.items():
        assert file.read_text() == page, "run: python -m bench.reporting.attack_pages"
        assert "<!-- head: begin -->\n\n" not in page
        assert options.summary("attack", file.stem) in page
        assert "## " in page.partition("<!-- head: end -->")[2], "somebody has written it"


def test_the_pages_are_listed_and_links_lead_somewhere():
    index = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"\]\((\w+)\.md\)", index)) == set(options.names("attack"))
    for file in FOLDER.glob("*.md"):
        for link in re.findall(r"\]\((?!http)([^)#]+)\)", file.read_text()):
            assert (FOLDER / link).exists(), (file, link)
