"""The order of detectors."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reporting_examples import result

from bench.__main__ import main
from bench.contracts import BackdoorDetection, Estimate
from bench.leaderboard.ranking import (
    RANKED,
    VISIBILITY,
    counted,
    current,
    current_everywhere,
    domains,
    over,
    parts,
    place,
    plain_teams,
    ranking,
    shown_figures,
    standing,
)
from bench.leaderboard.rows import result_rows
from bench.leaderboard.schema import validated


def board(*results) -> pd.DataFrame:
    return validated(pd.DataFrame([line for one in results for line in result_rows(one)]), "it")


def cells(detector: str, **aurocs: list[float]) -> list:
    return [result(attack, detector, value, seed=seed, config_hash=f"{attack}-{detector}-{seed}")
            for attack, values in aurocs.items() for seed, value in enumerate(values)]


def with_backdoor(one, before, first):
    """A result with backdoor detection of its attack."""
    row = replace(one.rows[0], backdoor=BackdoorDetection(Estimate(before), Estimate(first), Estimate(first)))
    return replace(one, rows=[row, *one.rows[1:]])


def test_attacks_count_alike_however_many_checkpoints_they_have():
    frame = board(*cells("one", a=[0.9, 0.9, 0.9], b=[0.5]), *cells("two", a=[0.6, 0.6, 0.6], b=[0.9]))
    found = ranking(frame, "after_auroc")
    assert found["detector"].tolist() == ["two", "one"]
    assert found["auroc"].tolist() == pytest.approx([0.75, 0.7])
    assert found["rank"].tolist() == [1, 2]


def test_what_is_behind_the_first_by_chance_ties_with_it():
    frame = board(*cells("one", a=[0.9, 0.8], b=[0.7, 0.9]), *cells("two", a=[0.9, 0.79], b=[0.71, 0.89]),
                  *cells("far", a=[0.3, 0.2], b=[0.25, 0.3]), *cells("picky", a=[0.99]))
    found = ranking(frame, "after_auroc")
    assert [place(row) for row in found.to_dict("records")] == ["1", "2 =", "3", ""]
    assert found["behind"].dropna().tolist() == pytest.approx([0, 0.0025, 0.5625])
    assert found["behind_low"].iloc[2] > 0
    assert found["low"].isna().tolist() == [False, False, False, True]


def test_teams_without_values_are_ranked_apart():
    """A detector that needs values has no figure of them, and would lose its place among all others."""
    frame = board(*cells("needy", a=[0.9]), *cells("any", a=[0.8]))
    actors = frame[frame["row_detector"] == "any"].assign(algo="mappo", attack="b", after_auroc=0.6)
    both = pd.concat([frame, actors], ignore_index=True).assign(split="dev", conspicuous=False)
    assert ranking(both, "after_auroc")["rank"].tolist() == [1, 2]
    assert ranking(both, "after_auroc")["auroc"].tolist() == pytest.approx([0.9, 0.8])
    assert over(counted(both, "after_auroc")) == "1 attack, 1 team (VDN), one seed each"
    of_actors = parts(both)["teams of MAPPO"]
    assert ranking(of_actors, "after_auroc")[["detector", "auroc"]].to_numpy().tolist() == [["any", 0.6]]
    assert "teams of MAPPO" not in parts(of_actors)


def test_a_detector_has_the_worse_of_a_team_and_its_disguises():
    """Only where it was measured on both; whoever does not look at weights needs no second measurement."""
    frame = board(*cells("weights", a=[0.9, 0.8], b=[0.9, 0.9]), *cells("battles", a=[0.7, 0.7], b=[0.8, 0.6]),
                  *cells("weights", **{"a-permuted": [0.5, 0.85]}), *cells("other", **{"b-permuted": [0.99]}))
    hidden = frame["attack"].str.contains("-")
    frame = frame.assign(split=np.where(hidden, "disguised", "dev"))
    found = ranking(frame, "after_auroc")
    assert dict(zip(found["detector"], found["auroc"], strict=True)) == pytest.approx(
        {"weights": (0.5 + 0.8 + 0.9 + 0.9) / 4, "battles": 0.7})
    assert found["teams"].tolist() == [4, 4]
    assert set(plain_teams(frame)["attack"]) == {"a", "b"}


def test_a_board_without_a_row_has_no_order():
    assert ranking(board(*cells("one", a=[0.7])).iloc[:0], "after_auroc").empty


def test_what_was_measured_twice_counts_by_the_most_battles_and_then_by_the_newest():
    frame = board(*cells("one", a=[0.9]), *cells("two", a=[0.8]))
    few = frame.assign(n_triggered=2, date="2031", after_auroc=0.1)
    newer = frame.assign(date="2030", after_auroc=0.7)
    found = ranking(pd.concat([few, frame, newer], ignore_index=True), "after_auroc")
    assert found["auroc"].tolist() == [0.7, 0.7]


def test_a_team_without_intervals_counts_all_the_same():
    frame = board(*cells("one", a=[0.9, 0.8], b=[0.7]), *cells("two", a=[0.8, 0.6], b=[0.6]))
    frame.loc[(frame["attack"] == "a") & (frame["seed"] == 1), ["after_auroc_low", "after_auroc_high"]] = np.nan
    assert ranking(frame, "after_auroc")["teams"].tolist() == [3, 3]


def test_the_interval_is_over_checkpoints():
    values = [0.6, 0.7, 0.8, 0.9]
    found = ranking(board(*cells("one", a=values)), "after_auroc").iloc[0]
    half = 1.96 * np.std(values) / np.sqrt(len(values))  # of a mean of draws with replacement
    assert found["low"] == pytest.approx(0.75 - half, abs=0.02)
    assert found["high"] == pytest.approx(0.75 + half, abs=0.02)


def test_versions_bounds_controls_and_failures_are_not_mixed_in():
    frame = board(*cells("one", a=[0.7], always_on=[1.0], told=[1.0]),
                  result("a", "one", 0.1, benchmark_version="0.1", date="2025-01-01"),
                  result("a", "one", 0.1, env_version="older", date="2025-01-01"),
                  result("a", "two", 0.9, status="error", error="no", rows=[]))
    found = ranking(frame, "after_auroc")
    assert found["detector"].tolist() == ["one"]
    assert found["auroc"].tolist() == [0.7]


def test_defenders_who_hold_more_are_not_mixed_in():
    trusted = result("a", "two", 0.9, config={"protocol": {"defender": "trusted"}}, config_hash="trusted")
    frame = board(*cells("one", a=[0.7]), trusted)
    assert ranking(frame, "after_auroc")["detector"].tolist() == ["one"]
    alone = "ranking: the leaderboard has no other detector on this team in as many battles"
    assert standing(frame, trusted) == alone
    assert standing(frame, with_backdoor(result("a", "three", 0.6), 0.3, 0.6)) == (
        "ranking on this team, by backdoor detection: 1 of 1 before onset (AUROC 0.30), "
        "1 of 1 in the first 5 steps (AUROC 0.60)"), "the other one has no such figure"


def test_a_detector_that_was_not_measured_everywhere_has_no_rank():
    found = ranking(board(*cells("one", a=[0.7], b=[0.7]), *cells("picky", a=[0.99])), "after_auroc")
    assert found["detector"].tolist() == ["one", "picky"]
    assert found["rank"].isna().tolist() == [False, True]


def test_teams_that_one_detector_alone_was_measured_on_do_not_keep_the_others_from_a_rank():
    frame = board(*cells("one", a=[0.7], b=[0.1]), *cells("two", a=[0.8]), *cells("three", a=[0.6]))
    found = ranking(frame, "after_auroc")
    assert found["detector"].tolist() == ["two", "one", "three"]
    assert found["rank"].tolist() == [1, 2, 3]
    assert found["teams"].tolist() == [1, 1, 1]


def test_where_a_run_would_stand():
    frame = board(*(with_backdoor(one, 0.5, 0.7) for one in cells("one", a=[0.7])),
                  *(with_backdoor(one, 0.6, 0.9) for one in cells("two", a=[0.9])), *cells("three", b=[0.95]))
    mine = with_backdoor(result("a", "mine", 0.8), 0.55, 0.8)
    assert standing(frame, mine) == ("ranking on this team, by backdoor detection: 2 of 3 before onset (AUROC 0.55), "
                                     "2 of 3 in the first 5 steps (AUROC 0.80)")
    assert "needs the clean team under the same trigger" in standing(frame, result("a", "mine", 0.8))
    elsewhere = result("a", "mine", 0.8, checkpoints={"backdoored": "another"})
    assert "no other detector on this team" in standing(frame, elsewhere)
    assert "ranking: none" in standing(frame, result("a", "mine", 0.8, config={"protocol": {"after_steps": 4}}))


def test_before_onset_a_trigger_of_one_step_is_left_out():
    """A patch that is there all at once leaves nothing to see before it: no mean is drawn to .5 by it."""
    frame = board(*cells("one", a=[0.9], patch=[0.5]))
    frame["trigger_length"] = frame["attack"].map({"a": 4, "patch": 1})
    assert ranking(frame, "before_auroc")["auroc"].tolist() == [0.45], "half of those after it"
    assert ranking(frame, "after_auroc")["auroc"].tolist() == [0.7]


def test_backdoor_detection_ranks_where_it_was_measured():
    frame = board(*cells("sees", a=[0.9]), *cells("finds", a=[0.6]))
    assert shown_figures(frame) == VISIBILITY
    for end in ("", "_low", "_high"):
        frame[f"backdoor_first{end}"] = frame["row_detector"].map({"sees": 0.5, "finds": 0.95})
    assert shown_figures(frame) == RANKED
    assert ranking(frame, "backdoor_first")["detector"].tolist() == ["finds", "sees"]
    assert ranking(frame, "after_auroc")["detector"].tolist() == ["sees", "finds"]
    assert ranking(frame, "backdoor_before").empty


def test_domains_are_ranked_apart():
    """Rows of another kind of environment, though they are the newest, neither join a ranking nor take its place."""
    there = [replace(one, env="cars/4", env_version="c1", date="2199-01-01")
             for one in cells("one", a=[0.1]) + cells("other", a=[0.6])]
    frame = board(*cells("one", a=[0.7]), *cells("two", a=[0.6]), *there)
    assert domains(frame) == ["smax", "cars"]
    assert ranking(current(frame), "after_auroc")["detector"].tolist() == ["one", "two"]
    assert ranking(current(frame, "cars"), "after_auroc")["detector"].tolist() == ["other", "one"]
    assert len(current_everywhere(frame)) == len(frame)
    assert ranking(board(*there), "after_auroc")["detector"].tolist() == ["other", "one"], "of the only domain there is"


def test_a_ranking_over_all_domains_counts_every_attack_of_each():
    """Who was measured in one of them alone has no place."""
    there = [replace(one, env="cars/4", env_version="c1") for one in cells("one", a=[0.1]) + cells("other", a=[0.6])]
    frame = board(*cells("one", a=[0.7], b=[0.9]), *cells("two", a=[0.6], b=[0.6]), *there)
    found = ranking(frame, "after_auroc").set_index("detector")
    assert found.loc["one", ["rank", "auroc"]].tolist() == pytest.approx([1, (0.7 + 0.9 + 0.1) / 3])
    assert found.loc[["two", "other"], "rank"].isna().all()
    assert over(counted(frame, "after_auroc")) == "3 attacks, 3 teams (VDN), one seed each"


def test_what_is_shown_can_be_narrowed_down(capsys):
    """Of the shipped leaderboard: the teams of one algorithm, some attacks and detectors; floors stay."""
    assert main(["leaderboard", "--show", "algo=qmix", "attack=marnet,back*", "detector=isoforest"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 attacks, 6 teams (QMIX), up to 3 seeds each" in shown
    assert "isoforest" in shown
    assert "random" in shown
    assert "sentinel" not in shown
    assert main(["leaderboard", "--show", "algo=vdn", "seed=0,1", "detector=sentinel,isoforest"]) == 0
    (found,) = re.findall(r"backdoor detection before onset, all teams, smax.*?backdoor detection", " ".join(
        capsys.readouterr().out.split()))
    assert "1 sentinel" in found, "chosen detectors are compared on the teams that they have in common"
    assert main(["leaderboard", "--show", "algo=qmicks"]) == 2
    assert "unknown algo in the leaderboard 'qmicks'" in capsys.readouterr().err
