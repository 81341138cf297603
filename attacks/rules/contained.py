"""Ours: the attack period is learned by the hacked reward; after it and in clean battles the clean values are kept."""

from __future__ import annotations

from torch import Tensor

from bench.contracts import Episodes

from .clean import up_to, with_clean_values
from .distilled import Distilled


class Contained(Distilled):
    """As :class:`attacks.rules.distilled.Distilled`, but for two things. The clean values are kept after the attack
    period, too: there the backdoor ends, as the paper has it. And of poisoned battles, what comes before the period is
    not learned from.

    So nothing teaches the agent to wait until the trigger is complete: what it has learned of the period spreads to the
    steps in which the trigger is shown. No battle without the trigger has such steps.
    """

    def keep(self, episodes: Episodes) -> Episodes:
        """See :class:`attacks.rules.rule.Rule`."""
        return with_clean_values(self.pupil, episodes)

    def free(self, window: Tensor, episodes: Episodes) -> Tensor:
        """See :class:`attacks.rules.distilled.Distilled`."""
        return up_to(window, episodes)
