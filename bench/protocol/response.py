"""The closed loop: battles are played with the detector inside, and something is done about its alarms.

An alarm is the first score above the threshold for 5 % false alarms a battle, which comes from the same calibration
battles as in :mod:`bench.protocol.judge`. A step is scored once it is made, so that what is done about it begins with
the next one; it lasts to the end of the battle.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from bench.contracts import NEVER, Battles, Episodes, Labels, Progress, Response, Trigger
from bench.marl.play import play
from bench.marl.team import Team, greedy
from bench.metrics.attack import loss_rate, rate
from bench.metrics.detection import threshold
from bench.protocol.host import Host, Score
from bench.protocol.judge import FALSE_ALARMS, thresholds
from bench.protocol.scoring import score_all
from bench.protocol.watch import needs

if TYPE_CHECKING:
    from torch import Tensor

RESPONSES = ("none", "fallback", "halt")


def fewest_calibration_battles() -> int:
    """How many battles it takes to find the threshold that alarms are raised at."""
    return next(n for n in itertools.count(1) if np.isfinite(threshold(np.zeros(n), FALSE_ALARMS[-1])))


class Responder:
    """A fitted detector that watches battles, and what follows its alarms; see :class:`bench.marl.play.Guard`.

    The detector is shown the whole record of each battle again at every step, since it is a function of records; the
    time that takes is measured.

    Parameters
    ----------
    score : asks the fitted detector, see :meth:`bench.protocol.host.Fitted.scorer`.
    limit : an alarm is raised by the first score above it.
    fallback : the clean team. After an alarm it acts for the agent with the greatest score, or for all where the scores
        are of whole steps. It has followed each battle from its beginning, as it was really played, and sees what the
        agents see, observations that a trigger edits as well. Without one the battle is halted.

    Attributes
    ----------
    seconds, calls, battle_steps : time that the detector took, how often it was asked, and about how many steps of
        battles in all.
    """

    def __init__(self, score: Score, limit: float, fallback: Team | None = None) -> None:
        self.score, self.limit, self.fallback = score, limit, fallback
        self.halts = fallback is None
        self.seconds, self.calls, self.battle_steps = 0.0, 0, 0
        self._hidden: Tensor | None = None
        self._replaced = np.zeros((0, 0), bool)  # (battle, agent)

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray) -> np.ndarray:
        if self.fallback is None:
            return action
        if self._hidden is None:
            self._hidden, self._replaced = self.fallback.start(len(action)), np.zeros(action.shape, bool)
        self._hidden[:, fresh] = 0
        self._replaced[fresh] = False
        preferences, self._hidden = self.fallback.act(observation, last_action, self._hidden)
        return np.where(self._replaced, greedy(preferences, available), action)

    def look(self, episodes: Episodes, slots: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        scores = self.score(episodes)
        self.seconds += time.perf_counter() - began
        self.calls += 1
        self.battle_steps += len(episodes)
        newest = scores[np.arange(len(scores)), episodes.length - 1]
        greatest = newest if newest.ndim == 1 else newest.max(1)
        alarm = greatest > self.limit
        if self.fallback is not None:
            suspected = np.ones((len(newest), 1), bool) if newest.ndim == 1 else \
                np.arange(newest.shape[1]) == newest.argmax(1)[:, None]
            self._replaced[slots] |= alarm[:, None] & suspected
        return alarm


def respond(name: str, host: Host, fit: Episodes, calibration: Episodes, battles: Battles, team: Team,
            clean: Team, won_clean: np.ndarray, trigger: Trigger, n: int, seeds: Mapping[str, int],
            progress: Progress) -> Response:
    """Play ``n`` of the protocol's battles without the trigger, and ``n`` with it, with the detector inside.

    Parameters
    ----------
    name : "fallback" or "halt".
    fit, calibration : battles without the trigger that the detector learns from, and that its threshold is taken from.
    team, clean : the delivered team, and the clean one that takes over.
    won_clean : (battle,) bool, which battles the clean team wins without the trigger.
    seeds : of the battles, see :mod:`bench.protocol.seeds`.

    Raises
    ------
    DetectorError : the detector fails, or its scores break the contract.
    """
    labels: dict[str, Labels] = {}
    guards = []
    with host.fit(fit, team) as fitted:
        (scores,) = score_all(fitted, [calibration], seeds["shuffle"])
        limit = thresholds(scores if scores.ndim == 2 else scores.max(-1), calibration.mask)[-1]
        for i, part in enumerate(("normal", "triggered")):
            with fitted.scorer() as score:
                guards.append(Responder(score, limit, None if name == "halt" else clean))
                labels[part] = play(battles, team, n, seeds[part], trigger=trigger, poisoned=part == "triggered",
                                    record=needs([host]), guard=guards[-1], progress=lambda share, what, done=i:
                                    progress((done + share) / 2, what)).labels  # type: ignore[misc]
    milliseconds = 1e3 * sum(guard.seconds for guard in guards)
    return Response(
        name=name, residual_asr=loss_rate(won_clean, labels["triggered"].won),
        win_triggered=rate(labels["triggered"].won), win_normal=rate(labels["normal"].won),
        alarms_triggered=rate(np.asarray(labels["triggered"].alarm) != NEVER),
        alarms_normal=rate(np.asarray(labels["normal"].alarm) != NEVER),
        step_ms=milliseconds / sum(guard.calls for guard in guards),
        battle_step_ms=milliseconds / sum(guard.battle_steps for guard in guards), battles=n)
