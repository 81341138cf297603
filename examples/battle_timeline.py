"""Look into single battles: when is the trigger shown, how long does the attack last, what is each step's score?

    python examples/battle_timeline.py
    python examples/battle_timeline.py --attack scripted --detector ActionDrift --png battles.png

Loads a shipped backdoored team, plays battles without the trigger and fits a shipped detector to half of them, plays
battles with the trigger and scores those.

Prints two lines a battle, a character a step. The upper one ranks the poisoned agent's score, or the team's if the
detector does not score agents, among the steps of the other battles without the trigger: 9 is higher than 90 % of
them, # higher than all. The lower one says where the step is: t while the trigger is shown, ! in the attack period,
x when the agent is dead, . elsewhere. Then come mean ranks for each kind of step. With --png FILE the first battle is
drawn as well.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from bench.detectors import ActionDrift, SpectralSignature
from omegaconf import OmegaConf

from bench.artifacts import zoo
from bench.artifacts.teams import load_team
from bench.build import build
from bench.contracts import NEVER
from bench.envs.smax import SmaxBattles
from bench.marl.play import play

DETECTORS = {"SpectralSignature": lambda: SpectralSignature(explained=0.8),
             "ActionDrift": lambda: ActionDrift(memory=0.9)}
OFFSET = 10_000  # between the two seeds of battles, so that none is seen twice


def shipped(attack: str):
    """(team, attack, battles) of the shipped VDN team of seed 0 with this attack."""
    prefix = f"vdn-smax-8m-random-s0-{attack}-"
    names = [name for name in zoo.names() if name.startswith(prefix)]
    if not names:
        sys.exit(f"no team {prefix}... is shipped; python -m bench zoo list says which are")
    team, about = load_team(zoo.FOLDER / names[0])
    return team, build(OmegaConf.create(about["recipe"]["attack"]), "attack"), SmaxBattles("8m", "random")


def of_agent(scores: np.ndarray, agent: int) -> np.ndarray:
    """(episode, step): an agent's scores, or the team's where a detector does not score agents."""
    return scores if scores.ndim == 2 else scores[..., agent]


def timeline(rank: np.ndarray, marks: np.ndarray) -> str:
    """Two lines of a battle: ``rank`` (step,) in [0, 1] among usual scores, ``marks`` (step,) characters."""
    digits = "".join("#" if share >= 1 else str(int(share * 10)) for share in rank)
    return f"  score  {digits}\n  step   {''.join(marks)}"


def draw(file: Path, score: np.ndarray, usual: float, trigger: np.ndarray, attack: np.ndarray, title: str) -> None:
    """Save a battle as a picture; ``score``, ``trigger`` and ``attack`` are (step,), ``usual`` is the highest score of
    the steps without the trigger."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
    step = np.arange(len(score))
    axes.plot(step, score, color="black", drawstyle="steps-mid", label="score")
    axes.axhline(usual, color="tab:blue", linestyle="--", label="highest without the trigger")
    for where, colour, label in [(trigger, "tab:orange", "trigger"), (attack, "tab:red", "attack period")]:
        axes.fill_between(step, 0, 1, where=where, step="mid", color=colour, alpha=0.3, label=label,
                          transform=axes.get_xaxis_transform())
    axes.set(xlabel="step", ylabel="score", title=title)
    axes.legend()
    figure.savefig(file, dpi=150)


def main() -> None:
    """Play, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", default="spatiotemporal", help="of a shipped VDN team (default: %(default)s)")
    parser.add_argument("--detector", default="SpectralSignature", choices=DETECTORS)
    parser.add_argument("--battles", type=int, default=6, help="with the trigger (default: %(default)s)")
    parser.add_argument("--png", type=Path, help="draw the first of them into this file")
    words = parser.parse_args()

    team, attack, battles = shipped(words.attack)
    agent = attack.victims[0]
    record = ("hidden",)  # for detectors that look at the recurrent states
    usual = play(battles, team, 64, 0, record=record)
    watched = play(battles, team, words.battles, OFFSET, trigger=attack.trigger, poisoned=True, record=record)

    detector = DETECTORS[words.detector]().fit(usual[:32].public())
    normal = of_agent(detector.score(usual[32:].public()), agent)[usual.mask[32:] & usual.alive[32:, :, agent]]
    scores = of_agent(detector.score(watched.public()), agent)
    ranks = np.searchsorted(np.sort(normal), scores) / len(normal)

    labels = watched.labels
    attacked = labels.attack(attack.duration)
    marks = np.select([~watched.alive[..., agent], attacked, labels.trigger], ["x", "!", "t"], ".")
    for battle, length in enumerate(watched.length):
        won, complete = labels.won[battle], labels.completion[battle]
        print(f"battle {battle}: {'won' if won else 'lost'} after {length} steps; trigger "
              f"{'not completed' if complete == NEVER else f'complete at step {complete}'}")
        print(timeline(ranks[battle, :length], marks[battle, :length]))
    print(f"\nmean rank of agent {agent}'s score among its steps without the trigger, where .50 is usual:")
    for mark, what in [("t", "steps of the trigger"), ("!", "steps of the attack period"), (".", "other steps")]:
        inside = watched.mask & (marks == mark)
        print(f"  {what:<27}{ranks[inside].mean():.2f} ({inside.sum()} steps)" if inside.any() else f"  {what:<27}none")
    if words.png:
        length = watched.length[0]
        draw(words.png, scores[0, :length], normal.max(), labels.trigger[0, :length], attacked[0, :length],
             f"{words.detector} on {attack.name}, agent {agent}")
        print(f"drawn into {words.png}")


if __name__ == "__main__":
    main()
