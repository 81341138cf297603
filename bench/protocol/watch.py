"""The battles that a detector learns from and is judged on.

The defender holds the delivered team and may watch it in battles without the trigger: those are what ``fit`` and the
thresholds see. One who also holds a team known to be clean (``defender=trusted``) fits to that one's battles, which no
backdoor can have tampered with. Thresholds come from the delivered team in either case: that is the team whose false
alarms are to be kept rare, and a threshold of another team would promise nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bench.contracts import RECORDABLE, Battles, Episodes, Trigger
from bench.marl.play import play
from bench.marl.process import give_back
from bench.marl.team import Team
from bench.protocol.host import Host
from bench.protocol.seeds import WATCHED


@dataclass(frozen=True)
class Watched:
    """Battles of one team: to fit on, to take thresholds from, and to be scored on."""

    fit: Episodes
    calibration: Episodes
    normal: Episodes
    triggered: Episodes


def needs(hosts: Iterable[Host]) -> frozenset[str]:
    """The columns that have to be recorded for these detectors.

    Raises DetectorError if one of them asks for something that there is not.
    """
    return frozenset(need for host in hosts for need in host.needs if need in RECORDABLE)


def watch(battles: Battles, team: Team, trigger: Trigger, sizes: dict[str, int], seeds: Mapping[str, int],
          progress: Callable[[float, str], None], record: Iterable[str] = ()) -> Watched:
    """Play the battles of the protocol; ``sizes`` and ``seeds`` say how many for each purpose, and which;
    ``record`` which further columns are kept."""
    episodes, done, total = {}, 0, sum(sizes[name] for name in WATCHED)
    for name in WATCHED:
        episodes[name] = play(battles, team, sizes[name], seeds[name], trigger=trigger, poisoned=name == "triggered",
                              record=record,
                              progress=lambda share, what, done=done, n=sizes[name]: progress(  # type: ignore[misc]
                                  (done + share * n) / total, what))
        done += sizes[name]
        give_back()
    return Watched(**episodes)
