"""Views: from episodes to the features that a detector looks at.

A view is called with episodes and returns float32 of shape (episode, step, agent, feature), or (episode, step, feature)
if it is of the team. It is causal: the features of a step depend on that step and earlier ones alone. Where nobody
lives or nothing was played it may hold anything finite. ``needs`` names the columns that have to be recorded for it.
"""

from .conduct import Actions, Hidden, QValues, TeamActions
from .observation import EnemyMoves, Step, Units
from .over import Differences, Pooled, View, Window, features, needs

__all__ = ["Actions", "Differences", "EnemyMoves", "Hidden", "Pooled", "QValues", "Step", "TeamActions", "Units",
           "View", "Window", "features", "needs"]
