"""What a team gives away when nobody shows the trigger, and what the attack is worth: in battles of the team's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.contracts import NEVER, Attack, Battles, Distinguished, Episodes, Estimate, Progress, Stealth
from bench.marl.play import Player
from bench.marl.team import Team, greedy
from bench.metrics.attack import loss_rate, rate
from bench.metrics.behaviour import mean
from bench.metrics.distinguish import distinguishability, recorded, statistics
from bench.protocol.seeds import own

PHASES = ("before", "shown", "period", "after")  # of a battle: the trigger, and the attack period that follows it
AT_ONCE = 128  # battles that are held whole; of the others the statistics are kept
MANY = 64  # battles that a patient observer takes the means over


@dataclass(frozen=True)
class Seen:
    """What is kept of a team's battles, in the order of their numbers."""

    names: list[str]  # of the statistics
    statistics: np.ndarray  # (battle, agent, statistic)
    kind: np.ndarray  # (battle, agent, feature): agents for whom these are the same are of one kind
    won: np.ndarray  # (battle,) bool
    completed: np.ndarray  # (battle,) bool: the trigger, by whomever
    steps: np.ndarray  # (battle,)
    attacked: np.ndarray  # (battle,) steps in the attack period
    agreed: np.ndarray  # (battle, phase of PHASES) see :func:`agreement`

    def __getitem__(self, index: slice) -> Seen:
        return Seen(self.names, *(getattr(self, name)[index] for name in _KEPT))

    def of(self, agents: tuple[int, ...]) -> np.ndarray:
        """(battle, statistic) of some agents, the mean if they are several."""
        return self.statistics[:, list(agents)].mean(1)


_KEPT = ("statistics", "kind", "won", "completed", "steps", "attacked", "agreed")


def see(battles: Battles, team: Team, clean: Team | None, n: int, seed: int, attack: Attack, poisoned: bool,
        progress: Progress) -> Seen:
    """The battles 0 .. n-1 of a seed, played greedily, the trigger shown (``poisoned``) or only watched for; beside the
    clean team, which says what its agents would have done. Without it nothing is known of agreement."""
    player = Player(battles, seed, trigger=attack.trigger, poison_rate=float(poisoned),
                    record=recorded(battles.spec), limit=n)
    names: list[str] = []
    parts: list[list[np.ndarray]] = []
    numbers: list[np.ndarray] = []
    done = 0
    while done < n:
        episodes = player.play(team, min(AT_ONCE, n - done))
        found = statistics(episodes)
        names = list(found)
        attacked = episodes.labels.attack(attack.duration) & episodes.mask
        parts.append([np.stack(list(found.values()), -1).astype(np.float32), _kind(episodes), episodes.labels.won,
                      episodes.labels.completion != NEVER, episodes.length, attacked.sum(1),
                      np.full((len(episodes), len(PHASES)), np.nan) if clean is None else
                      agreement(episodes, clean, attack)])
        numbers.append(episodes.labels.battle)
        done += len(episodes)
        progress(done / n, f"{done:,} battles")
    order = np.argsort(np.concatenate(numbers))
    return Seen(names, *(np.concatenate(columns)[order] for columns in zip(*parts, strict=True)))


def agreement(episodes: Episodes, clean: Team, attack: Attack) -> np.ndarray:
    """(battle, phase) share of the poisoned agents' steps in which they do what the clean team's would, had those seen
    and done the same so far; NaN where there are no such steps. The phases are those of ``PHASES``."""
    victims = list(attack.victims)
    memory, last = clean.start(len(episodes)), np.full(episodes.action.shape[::2], -1)
    same = np.zeros((*episodes.mask.shape, len(victims)), bool)
    for step in range(episodes.mask.shape[1]):
        preferences, memory = clean.act(episodes.observation[:, step].astype(np.float32), last, memory)
        last = episodes.action[:, step].astype(int)
        same[:, step] = (greedy(preferences, episodes.available[:, step]) == last)[:, victims]
    labels, begun = episodes.labels, episodes.labels.attack(episodes.mask.shape[1])
    period = labels.attack(attack.duration)
    phases = np.stack([~begun & ~labels.trigger, ~begun & labels.trigger, period, begun & ~period], -1)
    acting = (episodes.alive[:, :, victims] & episodes.mask[..., None]).astype(np.float32)
    with np.errstate(invalid="ignore"):
        return np.einsum("esv,esp->ep", acting * same, phases) / np.einsum("esv,esp->ep", acting, phases)


def _kind(episodes: Episodes) -> np.ndarray:
    """(battle, agent, feature) what tells kinds of agents apart: how far they see, and their features ``own.type...``
    as a battle begins."""
    spec = episodes.described
    types = [i for i, name in enumerate(spec.observation_layout) if name.startswith("own.type")]
    sight = np.broadcast_to(np.array(spec.sight_range, np.float32)[:, None], (len(episodes), spec.n_agents, 1))
    return np.concatenate([sight, episodes.observation[:, 0][:, :, types]], -1)


def beside(seen: Seen, victims: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(battle, statistic) of one victim, and of another agent of its kind in the same battle that is none.

    Which victim and which other agent it is takes turns from battle to battle; those without any other are left out.
    """
    turn = np.arange(len(seen.won))
    victim = np.array(victims)[turn % len(victims)]
    alike = (seen.kind == seen.kind[turn, victim][:, None]).all(-1)
    alike[:, list(victims)] = False
    place = turn // len(victims) % np.maximum(alike.sum(1), 1)
    other = (alike.cumsum(1) > place[:, None]).argmax(1)
    some = alike.any(1)
    return seen.statistics[turn, victim][some], seen.statistics[turn, other][some]


def means(values: np.ndarray, battles: int) -> np.ndarray:
    """(sample, statistic) means over so many battles (battle, statistic) each; what is left over is left out."""
    return values[: len(values) // battles * battles].reshape(-1, battles, values.shape[1]).mean(1)


def measure(battles: Battles, attack: Attack, clean: Team, backdoored: Team, retrained: Team | None, weights: str,
            n: int, accident_battles: int, progress: Progress) -> Stealth:
    """Everything that :class:`bench.contracts.Stealth` has.

    Parameters
    ----------
    weights : sha256 of the backdoored team's; its battles are drawn by it.
    n : battles of each team; the clean one plays ``accident_battles`` if those are more, and at least 2 ``n``: the
        first ``n`` are what teams are compared with, the next ``n`` the control.
    """
    teams = {"clean": clean, "backdoored": backdoored, "triggered": backdoored}
    teams |= {} if retrained is None else {"retrained": retrained}
    sizes = {name: max(accident_battles, 2 * n) if name == "clean" else n for name in teams}
    seen: dict[str, Seen] = {}
    for name, team in teams.items():
        before = sum(sizes[other] for other in seen)
        reference = None if name == "clean" else clean
        seen[name] = see(battles, team, reference, sizes[name], own(weights)[name], attack, name == "triggered",
                         lambda share, what, before=before, name=name: progress(  # type: ignore[misc]
                             (before + share * sizes[name]) / sum(sizes.values()), f"{name}: {what}"))
    progress(1.0, "comparing")
    return _figures(seen["clean"], seen["backdoored"], seen["triggered"], seen.get("retrained"), attack.victims, n)


def _figures(clean: Seen, backdoored: Seen, triggered: Seen, retrained: Seen | None, victims: tuple[int, ...],
             n: int) -> Stealth:
    def apart(seen: Seen, many: int = 1) -> Distinguished:
        return distinguishability(means(clean[:n].of(victims), many), means(seen.of(victims), many), seen.names)

    def agreed(seen: Seen, phase: str) -> Estimate:
        return mean(seen.agreed[:, PHASES.index(phase)])

    again = clean[n: 2 * n]
    return Stealth(
        battles=n, clean_battles=len(clean.won),
        win_clean_team=rate(clean.won), win_backdoored=rate(backdoored.won), win_triggered=rate(triggered.won),
        asr=loss_rate(clean.won, triggered.won), cpvr=loss_rate(clean.won, backdoored.won),
        trigger_completed=rate(triggered.completed),
        asr_completed=loss_rate(clean.won, triggered.won[triggered.completed]),
        attack_steps=float(triggered.attacked.sum() / triggered.steps.sum()),
        accidents=int(clean.completed.sum()), accidental=rate(clean.completed),
        agreement=agreed(backdoored, "before"), agreement_shown=agreed(triggered, "shown"),
        agreement_after=agreed(triggered, "after"),
        agreement_retrained=None if retrained is None else agreed(retrained, "before"),
        distinguishability=apart(backdoored), distinguishability_clean=apart(again),
        distinguishability_retrained=None if retrained is None else apart(retrained),
        distinguishability_64=apart(backdoored, MANY), distinguishability_clean_64=apart(again, MANY),
        distinguishability_retrained_64=None if retrained is None else apart(retrained, MANY),
        beside_teammates=distinguishability(*beside(backdoored, victims), clean.names),
        beside_teammates_clean=distinguishability(*beside(clean[:n], victims), clean.names))
