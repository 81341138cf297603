"""The README's tables from the leaderboard's rows."""

import pandas as pd
import pytest

from bench.errors import BenchError
from bench.leaderboard.ranking import counted, over
from bench.reporting.markdown import attacks, detectors, places, tables, visibility, with_tables


def row(attack, algo, asr, detector="isoforest", kind="attack", seed=0, **more):
    figures = {"win_clean_team": 0.9, "win_backdoored": 0.8, "win_triggered": 0.1, "asr": asr, "cpvr": 0.02,
               "accidental": 0.004}
    line = {"status": "ok", "benchmark_version": "1", "env": "smax/8m/random", "env_version": "v", "attack": attack,
            "algo": algo, "seed": seed, "trigger_kind": "behaviour", "trigger_length": 4, "split": "dev",
            "agents_poisoned": 1, "poison_rate": 0.5,
            "poisoned_steps": 0.25, "row_detector": detector, "kind": kind, "team": "backdoored", "triggered": True,
            "defender": "suspect", "n_triggered": 1000, "date": "2026", "before_auroc": 0.5, "after_auroc": 0.75,
            "distinguishability": float("nan"), "conspicuous": False, "no_backdoor": False}
    for name, value in figures.items():
        line |= {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}
    line |= more
    for phase, ranked in (("before", "backdoor_before"), ("after", "backdoor_first")):
        line[ranked] = line[f"{phase}_auroc"]
        line |= {f"{name}_{end}": line[ranked] for name in (f"{phase}_auroc", ranked) for end in ("low", "high")}
    return line


FRAME = pd.DataFrame([
    row("always_on", "vdn", 0.9), row("weak", "vdn", 0.45), row("weak", "qmix", 0.5),
    row("strong", "vdn", 0.8, seed=0), row("strong", "vdn", 0.6, seed=1),
    row("strong", "vdn", 0.8, "constant", "floor", before_auroc=0.25),
    row("weak", "vdn", 0.45, "other"), row("strong", "vdn", 0.8, "other", before_auroc=0.125),
    row("strong", "vdn", 0.8, env="smax/8m/skirmish", before_auroc=0.875)])


def test_attacks_are_sorted_by_harm_and_measured_by_the_bound():
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in attacks(FRAME).splitlines()]
    head, _, *body = lines
    assert [line[0] for line in body] == ["always_on", "strong", "strong", "weak", "weak"]
    cells = [dict(zip(head, line, strict=True)) for line in body]
    assert cells[1]["seeds"] == "2"
    assert cells[1]["**ASR**"] == "70.0 % (60.0 to 80.0)", "several seeds: mean, lowest and highest"
    assert cells[1]["of the bound"] == "78 %"
    assert cells[2]["map and opponent"] == "8m/skirmish"
    assert cells[2]["of the bound"] == "", "no bound was measured there"
    weak = {cell["algorithm"]: cell for cell in cells[3:]}
    assert weak["vdn"]["**ASR**"] == "45.0 % (44.0 to 46.0)", "one seed: its interval"
    assert (weak["vdn"]["of the bound"], weak["qmix"]["of the bound"]) == ("50 %", "")
    assert weak["vdn"]["accidents in 1,000"] == "4.0"
    assert weak["vdn"]["poisoned steps"] == "25.0 %"


def test_the_scripted_backdoor_is_measured_by_the_one_that_is_told_as_well():
    frame = pd.DataFrame([row("scripted", "vdn", 0.6), row("other", "vdn", 0.6), row("told", "vdn", 0.75, seed=0),
                          row("told", "vdn", 0.85, seed=1), row("scripted", "qmix", 0.6)])
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in attacks(frame).splitlines()]
    cells = {(line[0], line[2]): dict(zip(lines[0], line, strict=True)) for line in lines[2:]}
    assert cells["scripted", "vdn"]["of told"] == "75 %"
    assert cells["scripted", "qmix"]["of told"] == cells["other", "vdn"]["of told"] == ""


def test_detectors_stand_beside_each_other_per_attack():
    table = detectors(FRAME, "backdoor_before")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    assert lines[0] == ["detector", "strong, 8m/random", "strong, 8m/skirmish", "weak"]
    assert lines[2] == ["isoforest", "0.50 / -", "0.88 / -", "0.50 / 0.50"]
    assert lines[3] == ["other", "0.12 / -", "- / -", "0.50 / -"]
    assert lines[4] == ["constant", "0.25 / -", "- / -", "- / -"], "floors come last"
    assert "always_on" not in lines[0], "bounds are no attacks to find, nor is what one detector alone has seen"


def test_the_best_of_each_phase_stand_side_by_side_with_the_papers_detector_and_chance():
    aurocs = {"a": 0.9, "b": 0.8, "c": 0.75, "d": 0.7, "e": 0.65, "f": 0.6, "isoforest": 0.5}
    frame = pd.DataFrame([row("x", "vdn", 0.9, name, before_auroc=value, after_auroc=1 - value / 2)
                          for name, value in aurocs.items()]
                         + [row("x", "vdn", 0.9, "random", "floor", before_auroc=0.45, after_auroc=0.5)])
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in places(frame).splitlines()[:-2]]
    assert lines[0] == ["place", "before onset", "AUROC", "behind the first",
                        "place", "in the first 5 steps", "AUROC", "behind the first"]
    assert [line[1] for line in lines[2:]] == ["a", "b", "c", "d", "e", "isoforest", "random"]
    assert [line[5] for line in lines[2:]] == ["isoforest", "f", "e", "d", "c", "random", ""]
    assert lines[2] == ["1", "a", "0.90 (0.90 to 0.90)", "", "1", "isoforest", "0.75 (0.75 to 0.75)", ""]
    assert lines[3][:4] == ["2", "b", "0.80 (0.80 to 0.80)", "0.100 to 0.100"]
    assert (lines[7][0], lines[7][4]) == ("7", "8"), "places in the whole ranking"
    assert places(frame).endswith("\n\nbefore onset: 1 attack, 1 team (VDN), one seed each; "
                                  "in the first 5 steps: 1 attack, 1 team (VDN), one seed each.")
    assert over(counted(FRAME, "backdoor_before")) == "2 attacks, 5 teams (QMIX, VDN), up to 2 seeds each"


def test_what_is_seen_of_the_trigger_stands_beside_what_is_seen_of_the_backdoor():
    rows = [row("x", algo, 0.9, name, before_auroc=seen, backdoor=found)
            for algo, name, seen, found in (("vdn", "sees", 1.0, 0.5), ("qmix", "sees", 0.9, 0.5),
                                            ("vdn", "finds", 0.8, 1.0), ("qmix", "finds", 0.8, 0.9))]
    frame = pd.DataFrame([*rows, row("x", "vdn", 0.9, "sees", "control", team="clean", before_auroc=0.875)])
    frame["backdoor_before"] = frame["backdoor"]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in visibility(frame).splitlines()]
    assert lines[0][1:4] == ["before onset: backdoored teams", "before onset: clean team",
                             "before onset: **backdoor detection**"]
    assert [line[:4] for line in lines[2:]] == [["sees", "0.95", "0.88", "0.50"], ["finds", "0.80", "-", "0.95"]]


def test_versions_are_never_mixed():
    other = FRAME.assign(benchmark_version=["1"] * 8 + ["2"])
    with pytest.raises(BenchError, match="several values of benchmark_version"):
        tables(other)


def test_only_what_stands_between_the_marks_is_replaced():
    text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n<!-- y: begin -->\n<!-- y: end -->\n"
    assert with_tables(text, {"x": "n\\ew", "y": "z"}) == (
        "a\n<!-- x: begin -->\nn\\ew\n<!-- x: end -->\nb\n<!-- y: begin -->\nz\n<!-- y: end -->\n")
