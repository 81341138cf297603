"""Ours: the attack period is learned by the hacked reward, and the agent is its clean self before it and after it."""

from __future__ import annotations

from bench.contracts import Episodes

from .clean import with_clean_values
from .distilled import Distilled


class Contained(Distilled):
    """As :class:`attacks.rules.distilled.Distilled`, and the clean values are kept after the attack period, too: there
    the backdoor ends, as the paper has it."""

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        return with_clean_values(self.pupil, episodes)
