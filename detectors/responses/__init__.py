"""Responses: what is done about a detector's alarms while battles are played (:class:`bench.contracts.Responder`)."""

from .fallback import Fallback
from .freeze import Freeze
from .halt import Halt
from .projection import Projection
from .teammate import Teammate

__all__ = ["Fallback", "Freeze", "Halt", "Projection", "Teammate"]
