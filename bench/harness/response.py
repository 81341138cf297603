"""The closed loop: battles are played with the detector inside, and something is done about its alarms.

An alarm is the first score above the threshold for 5 % false alarms a battle, which comes from the same calibration
battles as in :mod:`bench.harness.judge`. A step is scored once it is made, so that what is done about it begins with
the next one; it lasts to the end of the battle.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
from omegaconf import DictConfig
from torch import Tensor

from bench.contracts import NEVER, Battles, Detector, Episodes, Labels, Progress, Response, Trigger
from bench.errors import BenchError, unknown
from bench.harness.judge import FALSE_ALARMS, SEEDS, checked_scores, fitted, fresh, needs, score_all, thresholds
from bench.marl.play import play
from bench.marl.team import Team, greedy
from bench.metrics.attack import loss_rate, rate
from bench.metrics.detection import threshold

RESPONSES = ("none", "fallback", "halt")


def check_response(cfg: DictConfig) -> None:
    """Raise BenchError for a response that is not known, or that has too few battles to take a threshold from."""
    if cfg.response.name not in RESPONSES:
        raise unknown("response", cfg.response.name, RESPONSES)
    found = cfg.budget.calibration_battles
    fewest = next(n for n in itertools.count(1) if np.isfinite(threshold(np.zeros(n), FALSE_ALARMS[-1])))
    if cfg.response.name != "none" and found < fewest:
        raise BenchError(f"response={cfg.response.name} needs a threshold for 5 % false alarms: "
                         f"budget.calibration_battles is {found}; allowed: whole numbers from {fewest}")


class Responder:
    """A fitted detector that watches battles, and what follows its alarms; see :class:`bench.marl.play.Guard`.

    The detector is shown the whole record of each battle again at every step, since it is a function of records; the
    time that takes is measured.

    Parameters
    ----------
    detector : fitted.
    limit : an alarm is raised by the first score above it.
    fallback : the clean team. After an alarm it acts for the agent with the greatest score, or for all where the scores
        are of whole steps. It has followed each battle from its beginning, as it was really played, and sees what the
        agents see, observations that a trigger edits as well. Without one the battle is halted.

    Attributes
    ----------
    seconds, calls, battle_steps : time that the detector took, how often it was asked, and about how many steps of
        battles in all.
    """

    def __init__(self, detector: Detector, limit: float, fallback: Team | None = None) -> None:
        self.detector, self.limit, self.fallback = detector, limit, fallback
        self.halts = fallback is None
        self.seconds, self.calls, self.battle_steps = 0.0, 0, 0
        self._hidden: Tensor | None = None
        self._replaced = np.zeros((0, 0), bool)  # (battle, agent)
        self._ndim: int | None = None

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray) -> np.ndarray:
        if self.fallback is None:
            return action
        if self._hidden is None:
            self._hidden, self._replaced = self.fallback.start(len(action)), np.zeros(action.shape, bool)
        self._hidden[:, fresh] = 0
        self._replaced[fresh] = False
        q, self._hidden = self.fallback.step(observation, last_action, self._hidden)
        return np.where(self._replaced, greedy(q, available), action)

    def look(self, episodes: Episodes, slots: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        scores = checked_scores(self.detector, episodes, self._ndim)
        self.seconds += time.perf_counter() - began
        self.calls += 1
        self.battle_steps += len(episodes)
        self._ndim = scores.ndim
        newest = scores[np.arange(len(scores)), episodes.length - 1]
        greatest = newest if newest.ndim == 1 else newest.max(1)
        alarm = greatest > self.limit
        if self.fallback is not None:
            suspected = np.ones((len(newest), 1), bool) if newest.ndim == 1 else \
                np.arange(newest.shape[1]) == newest.argmax(1)[:, None]
            self._replaced[slots] |= alarm[:, None] & suspected
        return alarm


def respond(name: str, detector: Detector, fit: Episodes, calibration: Episodes, battles: Battles, team: Team,
            clean: Team, won_clean: np.ndarray, trigger: Trigger, n: int, progress: Progress) -> Response:
    """Play ``n`` of the protocol's battles without the trigger, and ``n`` with it, with the detector inside.

    Parameters
    ----------
    name : "fallback" or "halt".
    fit, calibration : battles without the trigger that the detector learns from, and that its threshold is taken from.
    team, clean : the delivered team, and the clean one that takes over.
    won_clean : (battle,) bool, which battles the clean team wins without the trigger.

    Raises
    ------
    DetectorError : the detector fails, or its scores break the contract.
    """
    detector = fitted(detector, fit, team.policies())
    (scores,) = score_all(detector, [calibration])
    limit = thresholds(scores if scores.ndim == 2 else scores.max(-1), calibration.mask)[-1]
    labels: dict[str, Labels] = {}
    guards = []
    for i, part in enumerate(("normal", "triggered")):
        guard = Responder(fresh(detector), limit, None if name == "halt" else clean)
        labels[part] = play(battles, team, n, SEEDS[part], trigger=trigger, poisoned=part == "triggered",
                            record=needs([detector]), guard=guard, progress=lambda share, what, done=i: progress(
                                (done + share) / 2, what)).labels  # type: ignore[misc]
        guards.append(guard)
    milliseconds = 1e3 * sum(guard.seconds for guard in guards)
    return Response(
        name=name, residual_asr=loss_rate(won_clean, labels["triggered"].won),
        win_triggered=rate(labels["triggered"].won), win_normal=rate(labels["normal"].won),
        alarms_triggered=rate(np.asarray(labels["triggered"].alarm) != NEVER),
        alarms_normal=rate(np.asarray(labels["normal"].alarm) != NEVER),
        step_ms=milliseconds / sum(guard.calls for guard in guards),
        battle_step_ms=milliseconds / sum(guard.battle_steps for guard in guards), battles=n)
