"""How a game fails on purpose: what goes wrong, at which request.

Told by the environment variable SC2_DOUBLE, which every game obeys that is started with it, or by the file that
SC2_DOUBLE_FILE names: whichever of the running games first gets such a request obeys it, and removes the file, so that
it happens once. Both hold JSON, which `Misbehaviour.text` writes.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

WAYS = {  # what goes wrong, in the game's stead of answering as it should
    "slow": "answer `seconds` late",
    "drop": "close the connection instead of answering, and go on running",
    "hang": "never answer, and ignore the signal that asks to end",
    "crash": "end without answering; a step is half done",
    "error": "answer that the request is in error, and do nothing",
    "refuse": "at an action: carry out none of the orders, and say so in their results alone",
    "ignore": "at a debug: answer, and do nothing",
    "late": "at create_game: the last unit of each side appears a loop after the others",
    "forget": "at quick_load: control of the enemy is lost",
    "inexact": "at quick_load: other random numbers follow than before",
}


@dataclass(frozen=True)
class Misbehaviour:
    """Goes wrong at the requests `first` to `first + count - 1` of a kind that a game gets, and from its start on."""

    do: str
    at: str  # a request's name in sc2api.proto, such as step
    first: int = 1
    count: int = 1
    seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.do not in WAYS:
            raise ValueError(f"{self.do!r} is none of {', '.join(WAYS)}")

    def text(self) -> str:
        return json.dumps(asdict(self))


class Orders:
    """The misbehaviour that a game has been told, and how many requests of each kind it has had."""

    def __init__(self) -> None:
        told = os.environ.get("SC2_DOUBLE")
        self.always = Misbehaviour(**json.loads(told)) if told else None
        self.file = Path(os.environ["SC2_DOUBLE_FILE"]) if "SC2_DOUBLE_FILE" in os.environ else None
        self.had: dict[str, int] = {}

    def due(self, request: str) -> Misbehaviour | None:
        """What is to go wrong at this request, which is counted."""
        number = self.had[request] = self.had.get(request, 0) + 1
        always = self.always
        if always is not None and always.at == request and always.first <= number < always.first + always.count:
            return always
        return self.once(request, number)

    def once(self, request: str, number: int) -> Misbehaviour | None:
        """As the file says, if this game is the one that removes it."""
        if self.file is None or not self.file.exists():
            return None
        try:
            told = Misbehaviour(**json.loads(self.file.read_text()))
            if told.at != request or number < told.first:
                return None
            self.file.unlink()
        except (FileNotFoundError, json.JSONDecodeError):  # another game was quicker, or it is being written
            return None
        return told


def crash() -> None:
    os._exit(139)  # what a shell says of a segmentation fault


def hang() -> None:
    """For ten minutes, lest one be left behind for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
    os._exit(1)
