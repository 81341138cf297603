"""What the agents observe, whole or by kind of unit."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.base import BaseEstimator

from bench.contracts import Episodes
from bench.errors import DetectorError, unknown

UNSEEN, STILL, FIRST = range(3)  # what an outsider did last, as an agent sees it; from FIRST on, the orders it shows


class Step(BaseEstimator):
    """The observation of a single step, (episode, step, agent, feature)."""

    def __call__(self, episodes: Episodes) -> np.ndarray:
        return episodes.observation.astype(np.float32)


KINDS = {"own": "own", "allies": "ally", "enemies": "outsider"}


class Units(BaseEstimator):
    """The part of the observation, (episode, step, agent, feature), that is about one kind of body.

    Parameters
    ----------
    kind : "own" (the agent itself), "allies" or "enemies" (outsiders).
    """

    def __init__(self, kind: str = "enemies") -> None:
        self.kind = kind

    def __call__(self, episodes: Episodes) -> np.ndarray:
        if self.kind not in KINDS:
            raise DetectorError(str(unknown("kind of unit", self.kind, KINDS)))
        return episodes.observation[..., episodes.described.features(KINDS[self.kind])].astype(np.float32)


def layout(episodes: Episodes) -> dict[str, slice]:
    """Where in an observation which units are, "own", "allies" and "enemies". Of the first contract of plug-ins, and
    for detectors of that time alone: ``episodes.spec`` has the features' names.

    Raises DetectorError if the features of a kind do not stand together.
    """
    warnings.warn("detectors.views.observation.layout is of releases before 0.10; write episodes.spec.features('own'), "
                  "('ally') or ('outsider') in its place", UserWarning, stacklevel=2)
    places = {kind: np.sort(episodes.described.features(name)) for kind, name in KINDS.items()}
    for kind, place in places.items():
        if not len(place) or (np.diff(place) != 1).any():
            raise DetectorError(f"observations of {episodes.described.id} have no part that is {kind} alone")
    return {kind: slice(int(place[0]), int(place[-1]) + 1) for kind, place in places.items()}


class EnemyMoves(BaseEstimator):
    """What each outsider did last, as each agent sees it: (episode, step, agent, outsider), UNSEEN, STILL, or FIRST +
    the place of an order among those that can be seen.

    Raises DetectorError in an environment in which an observation does not tell what outsiders did.
    """

    def __call__(self, episodes: Episodes) -> np.ndarray:
        spec = episodes.described
        if not spec.order_seen_by or not spec.sighted_by:
            raise DetectorError(f"{type(self).__name__} counts what outsiders do, and observations of {spec.id} do not "
                                "tell it")
        seen = {name: episodes.observation[..., spec.outsider_feature(name)]
                for name in {spec.sighted_by, *(name for name, _ in spec.order_seen_by.values())}}
        moves = [sign * seen[name] > 0.5 for name, sign in spec.order_seen_by.values()]
        move = np.select(moves, range(FIRST, FIRST + len(moves)), STILL)
        return np.where(seen[spec.sighted_by] > 0, move, UNSEEN).astype(np.int8)


def symbols(episodes: Episodes) -> int:
    """How many different values :class:`EnemyMoves` has."""
    return FIRST + len(episodes.described.order_seen_by)
