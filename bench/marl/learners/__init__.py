"""Learners, a file a kind, and which kinds of team there are.

A kind of team is known by its architecture, which every checkpoint names. Its class (:class:`bench.marl.team.Team`)
says how its networks are made, how they act, and who trains them on; the settings of an algorithm, in ``conf/algo``,
say who trains a new team.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

from bench.errors import unknown

if TYPE_CHECKING:
    from bench.marl.team import Team

GROUP = "marl_backdoor_bench.architectures"
ARCHITECTURES = {point.name: point for point in (EntryPoint("rnn_q", "bench.marl.learners.q:QTeam", GROUP),)}
UNNAMED = "rnn_q"  # what a checkpoint holds that names no architecture: all of before there was another


def architecture(name: str, where: str = "") -> type[Team]:
    """The class of the teams of an architecture. Raises BenchError, ``where`` the name stands, for one that is not
    installed."""
    if name not in ARCHITECTURES:
        raise unknown(f"architecture{where and f' in {where}'}", name, ARCHITECTURES)
    return ARCHITECTURES[name].load()
