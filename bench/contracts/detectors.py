"""Detectors: of anomalies in episodes, and of backdoors in whole teams."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from bench.contracts.battles import Battles
from bench.contracts.calls import Raised, ask, class_name, shown
from bench.contracts.columns import RECORDABLE, present
from bench.contracts.episodes import Episodes
from bench.errors import DetectorError, unknown

POLICIES = ("policy", "consensus", "aligned_consensus")
NEEDS = (*RECORDABLE, *POLICIES)  # what a detector can ask for


class Policy(Protocol):
    """A team's networks, that a detector may ask what the agents would do."""

    def __call__(self, observation: np.ndarray, last_action: np.ndarray,
                 hidden: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Preferences (n, agent, action) and the next hidden state (n, agent, unit), float.

        Asked with the observation (n, agent, feature), the last action (n, agent), -1 at the beginning of a battle, and
        the hidden state (n, agent, unit) of the step before, zeros or None at the beginning. A value-based team's
        preferences are its Q values. What an agent answers depends on its own inputs alone; it may choose unavailable
        actions, so mask them with :attr:`Episodes.available`.
        """
        ...


DEFENDERS = ("suspect", "trusted")  # whose battles ``fit`` sees: the delivered team's, or those of a known clean one


class Detector(Protocol):
    """An anomaly detector over episodes. Higher scores are more anomalous.

    ``score`` is causal: the score at a step depends on that step and earlier ones alone. It returns
    (episode, step) or (episode, step, agent); steps that were not played may hold anything but must be finite.

    A detector may also have ``needs``, a tuple of the :data:`RECORDABLE` columns of :class:`Episodes` that it looks at;
    the others may be None. Who needs a column that a team has not, such as "values", is not to judge that team. One
    that names "policy" there, too, is fitted by ``fit(episodes, policy=policy)``, with the :class:`Policy` of the team
    whose battles it is to judge; and one that names "consensus", with that of the same team if each of its agents had
    the median of all agents' weights, as ``consensus``; or, with "aligned_consensus", the median of weights whose units
    were put into one order first, in the agent's own units (:meth:`bench.marl.team.Team.aligned_consensus`).
    """

    def fit(self, episodes: Episodes) -> Detector:
        """Learn what is normal from battles without the trigger, of the delivered team or of a clean one; returns self.
        """
        ...

    def score(self, episodes: Episodes) -> np.ndarray:
        """Anomaly scores."""
        ...


SHOWN = ("episodes", *RECORDABLE)


class ModelDetector(Protocol):
    """Judges a delivered team before it is used: how probable is it that the team is backdoored?

    ``team`` is a :class:`bench.marl.team.Team`, ``battles`` the simulator that it was made for, and ``episodes`` are
    public ones of that team in which nobody shows a trigger. A detector may have ``needs``, those of :data:`SHOWN` that
    it looks at, by default ("episodes",): ``episodes`` is None for one that looks at no episode, and holds the hidden
    states and preferences for who names "hidden" and "preference".

    One that learns from labelled models has ``fit(teams, labels)``, called before the first score with the shipped
    teams of the dev split and their labels (team,) bool, true for the backdoored ones. No other label reaches it.
    """

    def score(self, team: Any, battles: Battles, episodes: Episodes | None) -> float:
        """The probability in [0, 1] that the team is backdoored."""
        ...


class ModelStatistic(Protocol):
    """A model detector that knows of no probabilities: in place of ``score`` it has ``statistic``.

    The harness learns from the labelled teams of the dev split what probability a value of the statistic stands for.
    All else is as in :class:`ModelDetector`, but that it has no ``fit``: labels never reach it.
    """

    def statistic(self, team: Any, battles: Battles, episodes: Episodes | None) -> float:
        """How suspicious the team is: any finite number, higher for more suspicious."""
        ...


def besides(detector: Any, policies: Mapping[str, Policy]) -> dict[str, Policy]:
    """What a detector's ``fit`` is given besides episodes: those of the :data:`POLICIES` that it needs."""
    wanted = needed(detector)
    return {name: policy for name, policy in policies.items() if name in wanted}


def needed(detector: Any, allowed: Sequence[str] = NEEDS, default: Sequence[str] = ()) -> tuple[str, ...]:
    """What a detector asks for in ``needs``, or the default if it has none; a single name counts as a tuple of one.

    Raises DetectorError if that is no tuple of allowed names.
    """
    name = class_name(detector)
    try:
        wanted = ask(lambda: getattr(detector, "needs", default))
        if not isinstance(wanted, Collection):
            raise DetectorError(f"{name}.needs is {shown(wanted)}; expected a tuple of: {', '.join(allowed)}")
        names = ask(lambda: (wanted,) if isinstance(wanted, str) else tuple(wanted))
    except Raised as error:
        raise DetectorError(f"{name}.needs failed: {error}") from error
    names = tuple(present(need, f"{name}.needs") if isinstance(need, str) else need for need in names)
    for need in names:
        if not isinstance(need, str) or need not in allowed:
            raise DetectorError(f"{name}.needs: {unknown('need', shown(need, str), allowed)}")
    return names


def differing(scores: np.ndarray, other: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Where scores that should be the same differ by more than rounding does, of those that are ``judged`` (bool).

    A network in single precision gives other last digits in a batch of another size: those of a score near zero are
    compared with how far apart scores lie, from the first to the third quartile.
    """
    those = scores[judged]
    finite = those[np.isfinite(those)]
    spread = np.subtract(*np.quantile(finite, [0.75, 0.25])) if finite.size else 0.0
    return judged & ~np.isclose(scores, other, rtol=1e-3, atol=max(1e-6, 1e-5 * spread), equal_nan=True)
