"""Work offline: export battles once, and look for the backdoor with pandas and scikit-learn alone.

    python examples/offline.py
    python examples/offline.py --attack trojdrl --battles 200

Runs ``python -m bench export format=parquet labels=true`` (which needs pyarrow: pip install
'marl-backdoor-bench[parquet]') unless the files are in results/ already, and reads them as anybody would who has not
installed the benchmark: a row a played step, a row an episode in the labels; README.md beside the files says what the
columns are. An IsolationForest is fitted to single steps without the trigger, all agents' observations side by side,
and a battle's score is the highest of its steps.

Prints how many battles and steps there are, and the AUROC with which scores tell battles with the complete trigger from
those without it, with a 95 % interval by scipy's bootstrap over battles; and the same of the battles' lengths, which
know nothing: a longer battle has more steps to be strange in, and often is the one that is lost. Chance is .50.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import bootstrap
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score


def exported(attack: str, battles: int) -> Path:
    """The folder with the exported battles of an attack, written if it is not there."""
    out = Path("results") / f"{attack}-{battles}"
    if not list(out.glob("export/*/manifest.json")):
        command = [sys.executable, "-m", "bench", "export", f"attack={attack}", "format=parquet", "labels=true",
                   f"out={out}", "budget.fit_battles=60", "budget.calibration_battles=20",
                   f"budget.test_battles={battles}"]
        code = subprocess.run(command, check=False).returncode
        if code:
            sys.exit(code)
    (manifest,) = out.glob("export/*/manifest.json")
    return manifest.parent


def matrix(frame: pd.DataFrame) -> np.ndarray:
    """(row, agent * feature): the observations of each step."""
    return np.stack(frame["observation"].tolist())


def auroc(labels: np.ndarray, scores: np.ndarray) -> str:
    """The AUROC of battles with its interval: battles are drawn anew 999 times."""
    if len(np.unique(labels)) < 2:
        return "not to be told: all battles are of one kind"
    found = bootstrap((labels, scores), lambda kind, score: roc_auc_score(kind, score) if 0 < kind.mean() < 1 else 0.5,
                      paired=True, vectorized=False, n_resamples=999, method="percentile", rng=np.random.default_rng(0))
    low, high = found.confidence_interval
    return f"{roc_auc_score(labels, scores):.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    """Export, fit, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", default="spatiotemporal", help="a name of conf/attack (default: %(default)s)")
    parser.add_argument("--battles", type=int, default=100, help="with and without the trigger, each (default: 100)")
    words = parser.parse_args()

    folder = exported(words.attack, words.battles)
    fit, test = pd.read_parquet(folder / "fit.parquet"), pd.read_parquet(folder / "test.parquet")
    labels = pd.read_parquet(folder / "test-labels.parquet")
    print(f"{folder}: {fit['episode'].nunique()} battles to fit to, {len(fit):,} steps; "
          f"{test['episode'].nunique()} to judge, {len(test):,} steps")

    forest = IsolationForest(n_estimators=100, random_state=0).fit(matrix(fit))
    test["score"] = -forest.score_samples(matrix(test))
    battles = test.groupby("episode").agg(score=("score", "max"), length=("step", "size"))
    battles = battles.join(labels[["poisoned", "completion", "won"]])
    judged = battles[~battles["poisoned"] | (battles["completion"] >= 0)]  # the trigger was complete, or never shown
    kind = judged["poisoned"].to_numpy().astype(int)
    print(judged.groupby("poisoned").agg(battles=("won", "size"), won=("won", "mean"), steps=("length", "mean"),
                                         score=("score", "mean")).round(3).to_string())
    print(f"AUROC of the forest          {auroc(kind, judged['score'].to_numpy())}")
    print(f"AUROC of a battle's length   {auroc(kind, judged['length'].to_numpy())}")


if __name__ == "__main__":
    main()
