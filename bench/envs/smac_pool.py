"""The games that a process has started: lent to one batch of battles after the other, and replaced where they fail."""

from __future__ import annotations

import atexit
import sys
from collections import Counter
from functools import cache

import numpy as np
from absl import flags, logging

from bench.contracts import NOBODY
from bench.envs.smac_games import FAILURES, Game, Line
from bench.envs.smac_names import DOCTOR, ORDERS
from bench.errors import BenchError, shown

TRIES = 3  # of a battle's step, each in another process
OPENING, FIGHT = 40, 6  # steps of the battle by which quick save and load are tried: before the first shot, and after
logging.set_verbosity(logging.FATAL)  # pysc2 tells of every failure; so does this, in a line
OTHERWISE = "went another way"
_failed: Counter[str] = Counter()  # why games were lost, and how often a battle went another way when played again


class Pool:
    """Games of a map, which run on when a batch of battles is dropped: a start takes seconds."""

    def __init__(self, map: str, difficulty: str) -> None:
        self._made_of = map, difficulty
        self._idle: list[Game] = []
        self._exact: bool | None = None

    def take(self, n: int) -> list[Game]:
        """So many games, those that are there and new ones; a process is started by its first battle."""
        games = [self._idle.pop() if self._idle else Game(*self._made_of) for _ in range(n)]
        if self._exact is None and games:
            self._exact = bookmark_is_exact(games[0])
        for game in games:
            game.exact = bool(self._exact)
        return games

    def begin(self, game: Game, name: tuple[int, int]) -> None:
        """Let a game begin a battle."""
        play(game, Line(*name))

    def step(self, game: Game, name: tuple[int, int], done: bytes, row: np.ndarray, seen: np.ndarray) -> None:
        """Bring a game to where a battle is, see :class:`Line`, and with actions and orders a step further. Whether
        agents then see what they had ``seen`` is looked at where it was played again for this."""
        line = Line(*name, done)
        if game.line != line:
            play(game, line)
            _failed[OTHERWISE] += not np.array_equal(np.array(game.env.get_obs(), np.float32), seen)
        play(game, line, row)

    def save(self, game: Game) -> None:
        """Put the game's bookmark where it is. One that fails here will be replaced when it is to play on."""
        try:
            game.save()
        except FAILURES as error:
            _lost(game, error)

    def give_back(self, games: list[Game]) -> None:
        self._idle += games
        games.clear()


@cache
def pool(map: str, difficulty: str) -> Pool:
    return Pool(map, difficulty)


def limit(seconds: int) -> None:
    """How long pysc2 waits for an answer, in games that are started from now on; see also smac_process.START."""
    flags.FLAGS["sc2_timeout"].value = seconds


def play(game: Game, line: Line, row: np.ndarray | None = None) -> None:
    """Bring a game to a line and, with actions and orders, a step further: in another process each time it fails.

    Raises BenchError if it fails again and again.
    """
    for _ in range(TRIES):
        try:
            game.follow(line)
            if row is not None:
                game.step(row)
            return
        except FAILURES as error:
            why = _lost(game, error)
    raise BenchError(f"StarCraft II has failed {TRIES} times in the same battle, lastly with: {shown(why)}; {DOCTOR}")


def _lost(game: Game, error: Exception) -> str:
    """End the process of a game that has failed, and count it; returns why."""
    game.kill()
    why = " ".join(str(error).split()) or type(error).__name__
    _failed["did not answer in time" if "timed out" in why else "crashed or refused"] += 1
    return why


def bookmark_is_exact(game: Game) -> bool:
    """Whether the game's quick load brings back all of a battle: the same steps follow as before, shots, which draw
    random numbers, and orders among them."""
    play(game, Line(0, 0))
    try:
        for _ in range(OPENING):
            if game.over or np.array(game.env.get_avail_actions())[:, -game.env.n_enemies:].any():
                break
            game.step(_fighting(game))
        game.exact, line = True, game.line
        assert line is not None
        game.save()
        first = _fought(game)
        game.follow(line)
        return first == _fought(game)
    except FAILURES:  # not of a battle that counts
        game.kill()
        return False


def _fought(game: Game) -> list[tuple]:
    """What happens in some steps with an outsider that walks north at first."""
    found = []
    for step in range(FIGHT):
        if not game.over:
            game.step(_fighting(game, order=ORDERS.index("north") if step < FIGHT // 2 else NOBODY))
        found.append((game.reward, game.over, game.won, np.array(game.env.get_obs()).tobytes(),
                      game.env.get_state().tobytes()))
    return found


def _fighting(game: Game, order: int = NOBODY) -> np.ndarray:
    """A step in which agents attack or stand."""
    available = np.array(game.env.get_avail_actions(), bool)
    attack = available.shape[1] - 1 - available[:, ::-1].argmax(1)  # the last that there is
    stop = np.where(available[:, 1], 1, 0)
    row = np.full(game.width, NOBODY, np.int8)
    row[:len(stop)] = np.where(attack > game.env.n_actions_no_attack - 1, attack, stop)
    row[len(stop)] = order
    return row


def report() -> str:
    """What has failed so far, in a line; empty if nothing has."""
    lost = {why: n for why, n in _failed.items() if n and why != OTHERWISE}
    ways = ", ".join(f"{n} {why}" for why, n in lost.items())
    said = [f"{sum(lost.values())} games failed ({ways}), and their battles were begun again in others"] if lost else []
    if odd := _failed[OTHERWISE]:
        said.append(f"{odd} battles went another way when they were played again: this build of the game is not "
                    "deterministic, and no figure of this run can be had twice")
    return f"StarCraft II: {'; '.join(said)}" if said else ""


def _say() -> None:
    if said := report():
        sys.stderr.write(f"{said}\n")


atexit.register(_say)
