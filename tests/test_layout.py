"""A file has one subject, and is read in one sitting."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 300  # lines
LONGER: dict[str, str] = {}  # file -> why it is


def test_no_file_is_longer_than_it_may_be():
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines())
             for room in ("bench", "attacks", "detectors") for file in (ROOT / room).rglob("*.py")}
    assert {name: n for name, n in lines.items() if n > MOST and name not in LONGER} == {}
