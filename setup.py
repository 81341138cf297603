"""Where the packages' folders lie; all else is in pyproject.toml.

The folders attacks, detectors and conf become packages of bench, so that nothing is installed under names as common as
theirs (see bench/siblings.py), and the leaderboard's CSV is installed as bench/shipped.
"""

from setuptools import find_namespace_packages, setup

ROOMS = ("attacks", "detectors", "conf")

setup(
    packages=[*find_namespace_packages(include=["bench", "bench.*"]), "bench.shipped",
              *(f"bench.{name}" for room in ROOMS for name in find_namespace_packages(include=[room, f"{room}.*"]))],
    package_dir={"bench.shipped": "leaderboard", **{f"bench.{room}": room for room in ROOMS}},
    package_data={"bench.conf": ["**/*.yaml"], "bench.detectors": ["*.pyi"],
                  "bench.shipped": ["leaderboard.csv", "teams.csv", "curves.json.gz", "stealth.csv"],
                  "bench": ["py.typed",  # of all that is below bench, the three folders as well
                            "artifacts/zoo/*", "artifacts/zoo/networks/*", "reporting/replay.html",
                            "reporting/templates/*"]})
