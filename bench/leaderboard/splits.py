"""Which teams detectors may be developed on, and which are kept to judge them.

A detector's settings are chosen on ``dev`` alone. ``test`` are further seeds of the same attacks, ``near`` further
triggers of them, ``far`` attacks that no setting was ever chosen by, ``disguised`` teams whose weights were changed and
whose battles were not, ``hidden`` the battles and teams of a referee that nobody else has.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.contracts import DEV_SEED

SPLITS = ("dev", "test", "near", "far", "disguised", "hidden")
# Attacks whose further seeds were looked at before there were splits: those teams are for developing, too.
LOOKED_AT = {"scripted": (1, 2), "spatiotemporal": (1, 2), "marnet": (1, 2), "one4all": (1, 2), "natural": (1, 2)}
FAR = ("published", "algorithm1", "scab")  # closed to tuning, all their seeds


def split_of(attack: str, seed: int, overrides: Sequence[str], hidden: bool) -> str:
    """The split of a cell's team.

    Parameters
    ----------
    attack, seed : of the team.
    overrides : the words that make the cell; those of the trigger and of the disguise tell.
    hidden : whether battles or team are a referee's.
    """
    changed = [override.lstrip("+~") for override in overrides]
    if hidden:
        return "hidden"
    if any(override.startswith("attack.disguise") for override in changed):
        return "disguised"
    if attack in FAR:
        return "far"
    if any(override.startswith(("attack.trigger", "trigger")) for override in changed):
        return "near"
    return "dev" if seed in (DEV_SEED, *LOOKED_AT.get(attack, ())) else "test"
