"""The rows that a cell is measured by."""

from bench.protocol.plan import FLOORS, plan

TEAMS = ("backdoored", "clean", "benign_finetune")


def rows(teams, detectors, poisons=True):
    return [(row.team, row.triggered, row.detector, row.kind) for row in plan(teams, detectors, poisons)]


def test_the_attack_is_followed_by_its_controls_and_the_baselines():
    assert rows(TEAMS, ("isoforest", *FLOORS)) == [
        ("backdoored", True, "isoforest", "attack"), ("backdoored", False, "isoforest", "control"),
        ("backdoored", True, "constant", "floor"), ("backdoored", True, "random", "floor"),
        ("backdoored", True, "episode_length", "floor"), ("backdoored", True, "losing", "floor"),
        ("clean", True, "isoforest", "control"),
        ("benign_finetune", True, "isoforest", "control")]
    assert {row[0] for row in rows(TEAMS[:2], ("isoforest", *FLOORS))} == {"backdoored", "clean"}


def test_a_team_without_a_backdoor_has_no_attack_to_find():
    assert {kind for *_, detector, kind in rows(TEAMS, ("isoforest", *FLOORS), poisons=False)
            if detector == "isoforest"} == {"control"}


def test_a_baseline_as_the_cells_own_detector_is_measured_once_and_on_every_team():
    found = rows(TEAMS, FLOORS)
    assert {kind for *_, kind in found} == {"floor"}
    assert [row[:3] for row in found if row[2] == "constant"] == [
        ("backdoored", True, "constant"), ("backdoored", False, "constant"), ("clean", True, "constant"),
        ("benign_finetune", True, "constant")]
    assert len(found) == len(set(found))
