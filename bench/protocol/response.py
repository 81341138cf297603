"""The closed loop: battles are played with the detector inside, and something is done about its alarms.

An alarm is the first score above the threshold for 5 % false alarms a battle, which comes from the same calibration
battles as in :mod:`bench.protocol.judge`. A step is scored once it is made, so that what is done about it begins with
the next one; it lasts to the end of the battle. What is done is a plug-in's to say, a
:class:`bench.contracts.Responder`; a battle without an alarm is played as if there were none.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from bench.contracts import (
    NEVER,
    Battles,
    Episodes,
    InformedResponder,
    Labels,
    Progress,
    Responder,
    Response,
    Trigger,
)
from bench.contracts.calls import Raised, ask
from bench.errors import BenchError
from bench.marl.play import play
from bench.marl.team import Team
from bench.metrics.attack import loss_rate, rate
from bench.metrics.detection import threshold
from bench.protocol.host import Host, Score, shown
from bench.protocol.judge import FALSE_ALARMS, thresholds
from bench.protocol.scoring import score_all
from bench.protocol.watch import needs


def fewest_calibration_battles() -> int:
    """How many battles it takes to find the threshold that alarms are raised at."""
    return next(n for n in itertools.count(1) if np.isfinite(threshold(np.zeros(n), FALSE_ALARMS[-1])))


class Sentry:
    """A fitted detector that watches battles, and what follows its alarms; see :class:`bench.marl.onlookers.Guard`.

    The detector is shown the whole record of each battle again at every step, since it is a function of records; the
    time that takes is measured.

    Parameters
    ----------
    score : asks the fitted detector, see :meth:`bench.protocol.host.Fitted.scorer`.
    limit : an alarm is raised by the first score above it. Suspected is the agent with the greatest score then, or the
        whole team where the scores are of whole steps.
    response : what is done about it.
    team, clean : whose battles they are, and the clean team.

    Attributes
    ----------
    seconds, calls, battle_steps : time that the detector took, how often it was asked, and about how many steps of
        battles in all.
    """

    def __init__(self, score: Score, limit: float, response: Responder, team: Team, clean: Team) -> None:
        self.score, self.limit, self.response, self.teams = score, limit, response, (team, clean)
        self.halts = bool(response.halts)
        self.seconds, self.calls, self.battle_steps = 0.0, 0, 0
        self._suspected: np.ndarray | None = None  # (battle, agent)

    def act(self, action: np.ndarray, observation: np.ndarray, last_action: np.ndarray, available: np.ndarray,
            fresh: np.ndarray) -> np.ndarray:
        if self._suspected is None:
            self._suspected = np.zeros(action.shape, bool)
            asked(self.response, lambda: self.response.start(*self.teams, len(action)))
        self._suspected[fresh] = False
        now = action.copy(), observation, last_action, available, fresh, self._suspected.copy()
        done = np.asarray(asked(self.response, lambda: self.response.act(*now)))
        if done.shape != action.shape or done.dtype.kind not in "iu":
            raise BenchError(f"response {self.response.name} returned {done.dtype} of shape {done.shape}; needed are "
                             f"actions (battle, agent), int of shape {action.shape}")
        done = np.where(self._suspected.any(1, keepdims=True), done, action)
        can: np.ndarray = available & (np.arange(available.shape[2]) == done[..., None])  # (battle, agent, action)
        if not (can.any(2) | (done == action)).all():
            raise BenchError(f"response {self.response.name} chose an action that was not available")
        return done

    def look(self, episodes: Episodes, slots: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        scores = self.score(episodes)
        self.seconds += time.perf_counter() - began
        self.calls += 1
        self.battle_steps += len(episodes)
        newest = scores[np.arange(len(scores)), episodes.length - 1]
        greatest = newest if newest.ndim == 1 else newest.max(1)
        alarm = greatest > self.limit
        suspected = np.ones((len(newest), 1), bool) if newest.ndim == 1 else \
            np.arange(newest.shape[1]) == newest.argmax(1)[:, None]
        assert self._suspected is not None, "a step is made before it is looked at"
        self._suspected[slots] |= alarm[:, None] & suspected
        return alarm


def asked(response: Responder, call: Callable[[], Any]) -> Any:
    """What a call of the response gives. Raises BenchError if it fails."""
    try:
        return ask(call)
    except Raised as error:
        raise BenchError(f"response {response.name} failed: {error}") from error


@contextmanager
def standing_by(response: Responder, host: Host, fit: Episodes, calibration: Episodes, team: Team,
                shuffle: int) -> Iterator[Callable[[Team, Team], AbstractContextManager[Sentry]]]:
    """What makes a sentry for battles of a team, from that team and the clean one: the detector is fitted to ``fit``,
    and its threshold is the one for 5 % false alarms in ``calibration``, battles of ``team`` without the trigger.

    Raises DetectorError and BenchError as :func:`respond` does.
    """
    if isinstance(response, InformedResponder):
        asked(response, lambda: response.learn(team, shown(fit, ())))
    with host.fit(fit, team) as fitted:
        (scores,) = score_all(fitted, [calibration], shuffle)
        limit = thresholds(scores if scores.ndim == 2 else scores.max(-1), calibration.mask)[-1]

        @contextmanager
        def sentry(team: Team, clean: Team) -> Iterator[Sentry]:
            with fitted.scorer() as score:
                yield Sentry(score, limit, response, team, clean)

        yield sentry


def respond(response: Responder, host: Host, fit: Episodes, calibration: Episodes, battles: Battles, team: Team,
            clean: Team, won_clean: np.ndarray, trigger: Trigger, seeds: Mapping[str, int],
            progress: Progress) -> Response:
    """Play ``response.battles`` of the protocol's battles without the trigger, and as many with it, with the detector
    inside.

    Parameters
    ----------
    response : what is done about alarms.
    fit, calibration : battles without the trigger that the detector learns from, and that its threshold is taken from.
    team, clean : the delivered team, and the clean one that the defender trusts.
    won_clean : (battle,) bool, which battles the clean team wins without the trigger.
    seeds : of the battles, see :mod:`bench.protocol.seeds`.

    Raises
    ------
    DetectorError : the detector fails, or its scores break the contract.
    BenchError : the response fails, or returns what cannot be done.
    """
    n = response.battles
    labels: dict[str, Labels] = {}
    guards = []
    with standing_by(response, host, fit, calibration, team, seeds["shuffle"]) as sentry:
        for i, part in enumerate(("normal", "triggered")):
            with sentry(team, clean) as guard:
                labels[part] = play(battles, team, n, seeds[part], trigger=trigger, poisoned=part == "triggered",
                                    record=needs([host]), guard=guard, progress=lambda share, what, done=i:
                                    progress((done + share) / 2, what)).labels  # type: ignore[misc]
                guards.append(guard)
    milliseconds = 1e3 * sum(guard.seconds for guard in guards)
    return Response(
        name=response.name, residual_asr=loss_rate(won_clean, labels["triggered"].won),
        win_triggered=rate(labels["triggered"].won), win_normal=rate(labels["normal"].won),
        alarms_triggered=rate(np.asarray(labels["triggered"].alarm) != NEVER),
        alarms_normal=rate(np.asarray(labels["normal"].alarm) != NEVER),
        step_ms=milliseconds / sum(guard.calls for guard in guards),
        battle_step_ms=milliseconds / sum(guard.battle_steps for guard in guards), battles=n)
