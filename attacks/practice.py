"""What an injection learns from: battles under way, what looks into them, and those that it keeps."""

from __future__ import annotations

from typing import Any

from pydantic import PositiveInt, TypeAdapter
from torch import Tensor

from bench.contracts import Episodes, Store
from bench.errors import fitting
from bench.marl.memory import as_tensors, below, recall, remembered
from bench.marl.onlookers import Probe
from bench.marl.play import Player
from bench.marl.replay import Replay, ReplayLog

_ENTRIES = TypeAdapter(list[list[PositiveInt]])  # of a ReplayLog
_KIND = {True: "poisoned", False: "clean"}


class Practice:
    """A player, its probe, and a replay each of poisoned and clean battles, as far as there are such.

    What goes on from :meth:`load` goes on as if nothing had been.
    """

    def __init__(self, player: Player, probe: Probe | None, replays: dict[bool, Replay], store: Store) -> None:
        self.player, self.probe, self.replays, self.store = player, probe, replays, store
        self.logs = {_KIND[poisoned]: ReplayLog(store, replay, f"{_KIND[poisoned]}-")
                     for poisoned, replay in replays.items()}

    def keep(self, episodes: Episodes) -> None:
        """Put battles where they belong."""
        for poisoned, replay in self.replays.items():
            replay.add(episodes[episodes.labels.poisoned == poisoned])

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """(tensors, plain values) from which :meth:`load` goes on; what is new in the replays is written."""
        arrays, player = self.player.state()
        tensors = as_tensors(arrays, "player")
        if self.probe is not None:
            tensors |= as_tensors(remembered(self.probe), "probe")
        return tensors, {"player": player, "replays": {name: log.add() for name, log in self.logs.items()}}

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Take up what was written down by :meth:`state`."""
        arrays = {name: value.numpy() for name, value in tensors.items()}
        with fitting():
            self.player.load(below(arrays, "player"), values["player"])
            if self.probe is not None:
                recall(self.probe, below(arrays, "probe"))
            for name, log in self.logs.items():
                log.load(_ENTRIES.validate_python(values["replays"][name]))

    def forget(self) -> None:
        """Delete the parts of the replays that the last save does not refer to."""
        self.store.keep_parts([part for log in self.logs.values() for part in log.parts])
