"""No file but a game's own knows the game: words that stand nowhere else."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORDS = re.compile(
    r"\b(smax|smac|starcraft|enem(y|ies)|health|weapons?|marines?|crossroads|highway\w*)\b", re.IGNORECASE)
OWN = {  # where they may, and why
    "bench/envs/smac_doctor.py": "the game",
    "bench/envs/smac_trial.py": "the game",
    "bench/envs/smax.py": "the game",
    "bench/envs/smax_names.py": "the game",
    "bench/envs/smax_step.py": "the game",
    "bench/envs/smac.py": "the game",
    "bench/envs/smac_names.py": "the game",
    "bench/envs/smac_games.py": "the game",
    "bench/envs/smac_pool.py": "the game",
    "bench/envs/smac_process.py": "the game",
    "bench/envs/intersection.py": "the game",
    "bench/envs/intersection_cars.py": "the game",
    "bench/envs/intersection_driver.py": "the game",
    "bench/envs/intersection_foresight.py": "the game",
    "bench/envs/intersection_names.py": "the game",
    "bench/envs/intersection_road.py": "the game",
    "bench/envs/intersection_rules.py": "the game",
    "bench/envs/intersection_traffic.py": "the game",
    "bench/envs/intersection_view.py": "the game",
    "bench/conformance/episodes.py": "a made-up game, whose units have health as well",
    "bench/commands/race.py": "speeds are given beside those of another project's script",
    "bench/speed/race.py": "as above",
    "bench/speed/baselines.py": "as above",
    "bench/leaderboard/ranking.py": "the environment of the shipped leaderboard",
    "attacks/payloads/expert.py": "a published reward in units of its game's own",
    "attacks/payloads/guidance.py": "a reward from units' health",
    "attacks/payloads/opening.py": "a behaviour that depends on who is hurt",
    "attacks/triggers/policy.py": "a policy that looks at units' health",
    "detectors/views/observation.py": "names of shipped options"}


def files():
    return [path for room in ("bench", "attacks", "detectors") for path in sorted((ROOT / room).rglob("*.py"))]


def test_no_other_file_knows_a_game():
    found = {}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if name not in OWN and (word := WORDS.search(line)):
                found.setdefault(name, []).append(f"{number}: {word[0]}")
    assert not found


@pytest.mark.parametrize("name", OWN)
def test_no_exception_is_left_over(name):
    assert WORDS.search((ROOT / name).read_text(encoding="utf-8")), "it may be taken from the list"
