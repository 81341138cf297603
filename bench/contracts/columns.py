"""The columns of recorded episodes: the one table that all read who play, write, check, show or explain them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Column:
    """What is recorded under a name.

    ``asked`` : kept on request, and None without; of the others some are there only where something writes them.
    ``label`` : what an attacker knows and a detector must not.
    """

    axes: tuple[str, ...]
    type: type[np.generic]
    meaning: str
    asked: bool = False
    label: bool = False

    @property
    def dtype(self) -> np.dtype:
        """The type of its array."""
        return np.dtype(self.type)


EPISODE, STEP, AGENT = ("episode",), ("episode", "step"), ("episode", "step", "agent")
COLUMNS = {
    "observation": Column((*AGENT, "feature"), np.float16,
                          "what an agent sees, about [-1, 1]; 0 of what it does not see"),
    "available": Column((*AGENT, "action"), np.bool_, "the actions that an agent may choose from"),
    "action": Column(AGENT, np.uint8, "what it chose: the number of one of the environment's actions"),
    "reward": Column(STEP, np.float32, "of the team, after the action"),
    "alive": Column(AGENT, np.bool_, "before the action"),
    "mask": Column(STEP, np.bool_, "the step was played; the rest is padding"),
    "hidden": Column((*AGENT, "unit"), np.float16, "the agent's recurrent state after the observation", asked=True),
    "preference": Column((*AGENT, "action"), np.float32,
                         "how much the agent prefers each action: it takes the greatest available one", asked=True),
    "values": Column((*AGENT, "action"), np.float32,
                     "what the agent expects of each action; of teams alone that have learned such values", asked=True),
    "battle": Column(EPISODE, np.int64, "number of the battle among those of its seed", label=True),
    "won": Column(EPISODE, np.bool_, "whether the team won", label=True),
    "poisoned": Column(EPISODE, np.bool_, "the attacker tried to show the trigger", label=True),
    "trigger": Column(STEP, np.bool_, "a step of a trigger under way", label=True),
    "completion": Column(EPISODE, np.int64, "first step whose observation shows the complete trigger, -1 if none; the "
                         "attack begins", label=True),
    "edited": Column(AGENT, np.bool_, "the observation was tampered with", label=True),
    "alarm": Column(EPISODE, np.int64, "step of the alarm raised while the battle went on, -1 if none", label=True),
    "probe": Column(STEP, np.float32, "what an attack's probe found out; for learners alone", label=True),
    "state": Column((*STEP, "state feature"), np.float16, "the whole battle; for learners alone", True, True),
    "position": Column((*STEP, "body", "xy"), np.float32, "of agents and outsiders, in map units", True, True),
    "present": Column((*STEP, "body"), np.bool_, "which agents and outsiders are there", True, True),
    "orders": Column((*STEP, "outsider"), np.int16, "the trigger's orders, -1 where it gives none", True, True),
}
EXTRA = Column((*STEP, "body"), np.float32, "what this environment alone has", True, True)  # "extras.NAME"
RECORDABLE = tuple(name for name, column in COLUMNS.items() if column.asked and not column.label)
FORMER = {"q": "preference"}  # names that columns had before 0.10, when all teams were value-based
_told: set[str] = set()


def column_kind(name: str) -> Column:
    """What is recorded under a name, extras included. Raises KeyError if nothing is."""
    return EXTRA if name.startswith("extras.") else COLUMNS[name]


def present(name: str, where: str) -> str:
    """The name that a column has now. If ``name`` is a former one, the user is told so, once; ``where`` it stands."""
    if name in FORMER and name not in _told:
        _told.add(name)  # by the process that makes a detector, so that none of its copies says it again
        warnings.warn(f"{where}: the column '{name}' is now called '{FORMER[name]}' (a value-based team prefers "
                      f"actions by Q values); write '{FORMER[name]}' and episodes.{FORMER[name]} in its place",
                      UserWarning, stacklevel=2)
    return FORMER.get(name, name)
