"""Results, curves and lines of stealth that the tests of reporting share."""

from __future__ import annotations

from dataclasses import fields

import pandas as pd

from bench import BENCHMARK
from bench.contracts import Curves, Detection, Distinguished, Estimate, Figures, Result, Row, Stealth, Timeline
from bench.leaderboard.stealth import stealth_row

CURVES = Curves(
    roc={"before": [[0, 1], [0, 1]], "after": [[0, 0, 1], [0, 1, 1]], "whole": [[0, 0, 1], [0, 1, 1]]},
    pr={"before": [[1], [0.5]], "after": [[0.5, 1], [1, 0.5]], "whole": [[1], [1]]},
    delay=[[-1, 2], [0.25, 0.75]],
    timelines=[Timeline("most anomalous", 7, [0, 0, 1, 1, 4, 4, 0, 0, 0, 0, 0], 4),
               Timeline("without trigger", 3, [0, 1, 0], None)],
    limits=[None, 2.0], trigger_length=2, duration=3)


def near(value: float) -> Estimate:
    return Estimate(value, value - 0.01, min(value + 0.01, max(value, 1.0)))


def result(attack: str, detector: str, auroc: float, **changes) -> Result:
    """A cell of two rows, an attack and a control; the figures before onset are half of those after it."""
    def row(team: str, kind: str, value: float) -> Row:
        rates = [near(share) for share in (0.3, 0.4, 0.01, 0.05)]
        phases = {phase: Detection(near(value * part), near(value), 0.5, *rates, 9, 9)
                  for phase, part in (("before", 0.5), ("after", 1.0), ("whole", 1.0))}
        return Row(team, True, detector, kind, phases, near(4.0))

    return Result(**{
        "status": "ok", "error": None, "benchmark_version": "9.9.9", "env": "smax/8m/random", "env_version": "v",
        "algo": "vdn", "attack": attack, "trigger_kind": "behaviour", "agents_poisoned": 1, "poison_rate": 0.7,
        "poisoned_steps": 0.1, "detector": detector, "seed": 0, "config": {}, "config_hash": f"{attack}-{detector}",
        "checkpoints": {"clean": "c" * 64, "backdoored": "b" * 64},
        "checkpoint_id": "vdn-smax-8m-random-s0-scripted-7a9452139e36",
        "sizes": {"fit": 1, "calibration": 2, "normal": 3, "triggered": 4}, "figures": Figures(*[near(0.5)] * 8),
        "rows": [row("backdoored", "attack", auroc), row("clean", "control", 0.5)], "packages": {},
        "git_sha": "0123456789abcdef", "date": "2026-01-02", "runtime_s": 1.0} | changes)


def curves_of(attack: str) -> Curves:
    """Curves of whose triggered battle the number says which attack they are of."""
    lines = {phase: [[0.0, 0.2, 1.0], [0.4, 0.9, 1.0]] for phase in ("before", "after", "whole")}
    battles = [Timeline("most anomalous", len(attack), [0.0, 1.0, 5.0], 1), Timeline("without trigger", 1, [1.0], None)]
    return Curves(lines, lines, [[0.0, 2.0], [0.5, 1.0]], battles, [3.0, 2.0], 1, 2)


def stealth(distinguishability: float = 0.6, cpvr: float = 0.02) -> Stealth:
    """What was measured of a team, without a retrained one to compare it with."""
    values = {f.name: near(0.5) if str(f.type).startswith("Estimate") else Distinguished(near(0.55), "stop, early")
              for f in fields(Stealth)}
    return Stealth(**values | {
        "battles": 4000, "clean_battles": 10_000, "accidents": 3, "attack_steps": 0.4, "cpvr": near(cpvr),
        "distinguishability": Distinguished(near(distinguishability), "stop, early"),
        "distinguishability_retrained": None, "distinguishability_retrained_64": None, "agreement_retrained": None})


def stealth_line(weights: str = "b" * 64, found: Stealth | None = None, **changes) -> pd.DataFrame:
    """A team's line of the table of stealth."""
    about = {"checkpoint_sha256": weights, "checkpoint_id": "team", "clean_sha256": "c" * 64, "retrained_id": None,
             "benchmark_version": BENCHMARK, "env": "smax/8m/random", "env_version": "v", "algo": "vdn",
             "attack": "spatiotemporal", "seed": 0, "victims": "0 2", "git_sha": "0123", "date": "2026-01-02"}
    return stealth_row(found or stealth(), **about | changes)
