"""The rules that poisoned agents learn by, a file each."""

from __future__ import annotations

from .contained import Contained
from .distilled import Distilled
from .imitated import Imitated
from .published import Published
from .rule import Rule

RULES: dict[str, type[Rule]] = {"published": Published, "distilled": Distilled, "contained": Contained,
                                "imitated": Imitated}
