"""Repairs: what turns a delivered team, which may be backdoored, into one that is hoped not to be
(:class:`bench.contracts.Repair`)."""

from .consensus import Consensus
from .finetune import Finetune
from .prune import Prune
from .sanitise import Sanitise
from .unlearn import Unlearn

__all__ = ["Consensus", "Finetune", "Prune", "Sanitise", "Unlearn"]
