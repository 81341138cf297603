"""Responses: what is done about a detector's alarms while battles are played (:class:`bench.contracts.Responder`)."""

from .fallback import Fallback
from .halt import Halt
from .teammate import Teammate

__all__ = ["Fallback", "Halt", "Teammate"]
