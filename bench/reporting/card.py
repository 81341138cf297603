"""The data card of exported episodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from bench.contracts import COLUMNS, Episodes
from bench.reporting.markdown import grid

PARTS = {"fit": "without the trigger: to learn from",
         "calibration": "without the trigger: to take alarm thresholds from",
         "test": "without the trigger and with it, as many of each, shuffled: to be judged on"}


def card(about: Mapping[str, Any], parts: Mapping[str, Episodes], ending: str, labels: bool) -> str:
    """What the files of an export are, in Markdown."""
    test = parts["test"]
    steps = {name: f"{int(episodes.length.sum()):,}" for name, episodes in parts.items()}
    files = [[f"`{name}.{ending}`", f"{len(episodes):,}", steps[name], PARTS[name]] for name, episodes in parts.items()]
    lines = [
        *_head(parts, ending), f"# {about['name']}", "",
        f"Battles of a cooperative {about['algo'].upper()} team in {about['env']} ({about['env_version']}), after the "
        f"attack `{about['attack']}`: for detectors of backdoors, as marl-backdoor-bench judges them.", "",
        grid(["file", "battles", "steps", "what"], files), "",
        "A detector learns from `fit`, takes its thresholds from `calibration`, and says for each step of `test` how "
        "anomalous it is, from that step and earlier ones alone. " + (
            f"The files `*-labels.{ending}` hold the answers, which no detector may see." if labels else
            "The labels were not exported."), "",
        "## Columns", "",
        grid(["column", "dtype", "axes", "shape in `test`", "what"], _columns(test)), ""]
    if labels:
        lines += ["Of the labels:", "",
                  grid(["column", "dtype", "axes", "shape in `test`", "what"], _columns(test.labels)), "",
                  f"The trigger takes {about['trigger_length']} steps, the attack period {about['attack_period']} from "
                  "the completion of the trigger on.", ""]
    if ending == "parquet":
        lines += ["A file of episodes has a row a played step, with its `episode` and `step` and without `mask`; one "
                  "of labels a row an episode. Arrays are flattened to lists, float16 is float32.", ""]
    more = f', labels="test-labels.{ending}"' if labels else ""
    lines += ["## Loading", "", "```python", "import bench", "",
              f'episodes = bench.load_episodes("test.{ending}"{more})', "```", "",
              "A file that is not what `manifest.json` says is refused.", "",
              "## Where it comes from", ""]
    if "referee" in about:
        seeds = f"drawn by a referee's secret, sha256 `{about['referee']}`"
    else:
        seeds = ", ".join(f"{name} {seed}" for name, seed in about["battle_seeds"].items()) + \
            f"; shuffling {about['shuffle_seed']}. Whoever plays these battles again knows the labels"
    versions = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    lines += [f"- checkpoint: `{about['checkpoint']}`, sha256 `{about['checkpoint_sha256']}`",
              f"- seeds: training {about['seed']}; battles: {seeds}.",
              f"- benchmark {about['benchmark_version']}, git revision {about['git_sha'] or 'unknown'}",
              f"- {versions}", "- license: MIT"]
    return "\n".join(lines) + "\n"


def _head(parts: Mapping[str, Episodes], ending: str) -> list[str]:
    """What the Hugging Face Hub reads above a card; its viewer shows parquet files."""
    lines = ["---", "license: mit",
             "tags: [reinforcement-learning, multi-agent, backdoor-detection, anomaly-detection]"]
    if ending == "parquet":
        lines += ["configs:", "- config_name: default", "  data_files:"]
        lines += [f"  - {{split: {name}, path: {name}.{ending}}}" for name in parts]
    return [*lines, "---", ""]


def _columns(record: Any) -> list[list[str]]:
    """A line a column of a record of arrays."""
    found = {f.name: getattr(record, f.name) for f in fields(record)}
    return [[f"`{name}`", str(column.dtype), ", ".join(COLUMNS[name].axes), " x ".join(map(str, column.shape)),
             COLUMNS[name].meaning] for name, column in found.items() if isinstance(column, np.ndarray)]
