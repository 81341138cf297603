"""Plug in a detector of your own and measure it against a shipped backdoor.

    python examples/own_detector.py
    python examples/own_detector.py --attack scripted --battles 400

Any object with ``fit`` and ``score`` will do. ``bench.evaluate`` measures it exactly as ``python -m bench run`` does,
in a process of its own that holds no labels; what it has measured is kept in results/ and read from there when it is
asked for again.

Prints what the attack does to the team, and for each row (the detector, its controls and the baselines that know
nothing of backdoors) the AUROC before and after onset and that of backdoor detection, with 95 % intervals. Chance is
.50.
"""

from __future__ import annotations

import argparse

import numpy as np

import bench


class Surprise:
    """How rare is what an agent does, of all that it was seen to do in that step of a battle?"""

    def fit(self, episodes):
        """Count the actions of each agent and step in battles without the trigger."""
        played = episodes.alive & episodes.mask[..., None]
        actions = np.arange(episodes.available.shape[-1])
        taken = (episodes.action[..., None] == actions) & played[..., None]
        counts = taken.sum(0) + 1.0  # (step, agent, action)
        self.surprise_ = -np.log(counts / counts.sum(-1, keepdims=True))
        return self

    def score(self, episodes):
        """(episode, step, agent): higher is more anomalous; a step later than any in ``fit`` counts as the last one."""
        step = np.minimum(np.arange(episodes.mask.shape[1]), len(self.surprise_) - 1)
        return self.surprise_[step[:, None], np.arange(episodes.action.shape[2]), episodes.action]


def shown(estimate) -> str:
    """A figure with its interval."""
    if estimate.value is None:
        return "-"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def main() -> None:
    """Measure the detector and print what comes of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", default="spatiotemporal", help="a name of conf/attack (default: %(default)s)")
    parser.add_argument("--battles", type=int, default=100, help="with and without the trigger, each (default: 100)")
    words = parser.parse_args()
    budget = {"fit": 100, "calibration": 100, "test": words.battles}
    result = bench.evaluate(Surprise(), attack=words.attack,
                            overrides=tuple(f"budget.{name}_battles={n}" for name, n in budget.items()))
    figures = result.figures
    print(f"{result.attack} on {result.env}: the clean team wins {figures.win_clean_team.value:.0%} of its battles, "
          f"the backdoored one {figures.win_backdoored.value:.0%}, under the trigger {figures.win_triggered.value:.0%}")
    print(f"ASR {shown(figures.asr)}\n")
    print(f"{'detector':<16}{'team':<17}{'trigger':<9}{'before onset':<21}{'after onset':<21}backdoor, first 5 steps")
    for row in result.rows:
        first = row.backdoor.first if row.backdoor else None
        print(f"{row.detector:<16}{row.team:<17}{'yes' if row.triggered else 'no':<9}"
              f"{shown(row.phases['before'].auroc):<21}{shown(row.phases['after'].auroc):<21}"
              f"{shown(first) if first else '-'}")


if __name__ == "__main__":
    main()
