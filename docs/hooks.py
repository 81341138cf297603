"""What ``make docs`` does beside mkdocs: files of the repository that pages link to are part of the site, and every
page of a folder is in the navigation."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
BESIDE = ("CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "SECURITY.md")
FOLDERS = ("leaderboard", "examples")  # with what is in them, but for sweeps' runs
ENDINGS = {".md", ".csv", ".png", ".html", ".py", ".gz"}
LINK = re.compile(r"(\]\(|src=\"|href=\")((?:\.\./)+)([^)\"#\s]+)")


def on_config(config: Any) -> Any:
    """``FOLDER/*`` in the navigation becomes the pages of that folder, but for its README."""
    config.nav = _filled(config.nav)
    return config


def _filled(nav: Any) -> Any:
    if isinstance(nav, dict):
        return {name: _filled(part) for name, part in nav.items()}
    if not isinstance(nav, list):
        return nav
    found: list[Any] = []
    for part in nav:
        if isinstance(part, str) and part.endswith("/*"):
            folder = part.removesuffix("/*")
            found += [f"{folder}/{file.name}" for file in sorted((ROOT / "docs" / folder).glob("*.md"))
                      if file.name != "README.md"]
        else:
            found.append(_filled(part))
    return found


def on_files(files: Files, config: Any) -> Files:
    """Files outside ``docs`` under the names that they have in the repository."""
    paths = [ROOT / name for name in BESIDE]
    for folder in FOLDERS:
        paths += [path for path in sorted((ROOT / folder).rglob("*"))
                  if path.suffix in ENDINGS and "runs" not in path.relative_to(ROOT).parts]
    for path in paths:
        name = path.relative_to(ROOT).as_posix()
        if name == "leaderboard/index.html":  # its links to pages are to those of the site
            text = re.sub(r'href="\.\./docs/([\w/-]+)\.md', r'href="../\1/', path.read_text(encoding="utf-8"))
            files.append(File.generated(config, name, content=text))
        elif path.is_file():
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links out of ``docs``, as the repository has them, are links within the site."""
    folder = posixpath.dirname(page.file.src_uri)

    def inside(link: re.Match[str]) -> str:
        begin, ups, rest = link.groups()
        target = posixpath.normpath(posixpath.join("docs", folder, ups + rest))
        if target.startswith("docs/"):
            return link.group()
        return begin + posixpath.relpath(target, folder or ".")

    if page.file.src_uri in BESIDE:  # they stand beside docs/ and link into it
        markdown = re.sub(r"(\]\()docs/", r"\1", markdown)
    return LINK.sub(inside, markdown)
