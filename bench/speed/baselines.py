"""JaxMARL's own training scripts, and how a race starts and reads each of them.

Each plays SMAX's 8m as JaxMARL has it, against the opponent that shoots at the closest, with its own configuration for
SMAX but for the values that stand here: those that were the fastest to 75 % of all that were tried on one core (see
docs/speed.md). Theirs are for teams of ten million steps on a GPU.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError, unknown

TOTAL = 2_000_000  # steps of a run, over which learning rates and exploration fall; a race ends before
INTERVAL = 50_000  # steps between two evaluations


@dataclass(frozen=True)
class Point:
    """An evaluation: the win rate of so many battles after so many environment steps."""

    steps: int
    win_rate: float


# command, environment, how to read its evaluations
Start = tuple[list[str], dict[str, str], Callable[[], list[Point]]]


@dataclass(frozen=True)
class Baseline:
    """A script of JaxMARL's.

    Attributes
    ----------
    script : its place in a checkout.
    needs : packages that it imports beside what SMAX needs.
    battles, steps : how many it plays at once, and for how many steps between two rounds of updates.
    words : Hydra's overrides.
    won : the win rate, as its log calls it. A script that evaluates greedy battles (``evaluates``) repeats the last
        figure between two evaluations; of one that does not, each is of the battles that ended in the last round as
        they were played, and the mean is taken over the rounds of an ``INTERVAL``.
    """

    name: str
    script: Path
    needs: tuple[str, ...]
    battles: int
    steps: int
    words: tuple[str, ...]
    won: str = "test_returned_won_episode"
    evaluates: bool = True

    @property
    def every(self) -> int:
        """Rounds of updates between two evaluations, as the scripts that evaluate compute it."""
        return int(TOTAL // self.steps // self.battles * (INTERVAL / TOTAL))

    def file(self, checkout: str | None) -> Path:
        """The script in a checkout. Raises BenchError where it cannot be run."""
        if not checkout:
            raise BenchError("no checkout of JaxMARL is given; python -m bench race PATH "
                             "(git clone https://github.com/FLAIROx/JaxMARL PATH)")
        file = Path(checkout).expanduser().resolve() / self.script
        if not file.is_file():
            raise BenchError(f"'{checkout}' is no checkout of JaxMARL: there is no {self.script} in it")
        missing = [name for name in self.needs if importlib.util.find_spec(name) is None]
        if missing:
            raise BenchError("JaxMARL's script needs packages that are not installed: pip install "
                             f"{' '.join(missing)}")
        return file

    def start(self, file: Path, seed: int, folder: Path) -> Start:
        """(command, environment, how to read its evaluations) of the script."""
        log = folder / "log.jsonl"
        command = [sys.executable, str(Path(__file__).with_name("jaxmarl_baseline.py")), str(file), str(log),
                   *self.words, f"SEED={seed}"]
        path = os.pathsep.join(filter(None, (str(file.parents[2]), os.environ.get("PYTHONPATH"))))
        return command, {"PYTHONPATH": path}, lambda: self.curve(log)

    def curve(self, log: Path) -> list[Point]:
        """The evaluations in a log of :mod:`bench.speed.jaxmarl_baseline`. Raises BenchError if the script of this
        checkout logs other figures."""
        rows = [json.loads(line) for line in _whole_lines(log)]
        try:
            if self.evaluates:
                return [Point(int(row["env_step"]), row[self.won]) for row in rows
                        if row["update_steps"] % self.every == 0]
            ends = range(self.every, len(rows) + 1, self.every)
            return [Point(int(rows[end - 1]["env_step"]), _mean([row[self.won] for row in rows[end - self.every: end]]))
                    for end in ends]
        except KeyError as error:
            raise BenchError(f"JaxMARL's script of this checkout does not log {error}; it logs "
                             f"{', '.join(sorted(rows[0]))}") from None


def _q_learning(name: str, alg: str, needs: tuple[str, ...], battles: int, steps: int, **words: Any) -> Baseline:
    """A script of ``baselines/QLearning``."""
    common = {"MAP_NAME": "8m", "ENV_KWARGS.attack_mode": "closest", "HIDDEN_SIZE": 64, "NUM_ENVS": battles,
              "NUM_STEPS": steps, "TOTAL_TIMESTEPS": TOTAL, "TEST_INTERVAL": INTERVAL / TOTAL,
              "TEST_NUM_ENVS": 64}  # 64 x 128 steps hold 270 to 500 battles
    # It tells its figures to nobody else; the file stands in for the site.
    return Baseline(name, Path("baselines/QLearning", f"{name}.py"), needs, battles, steps, (
        f"+alg={alg}", *(f"alg.{key}={value}" for key, value in (common | words).items()), "WANDB_MODE=online",
        "SAVE_PATH=null"))


def _mappo(battles: int, steps: int, **words: Any) -> Baseline:
    """The script of MAPPO: it draws its actions, evaluates nothing, and has memories of 128 written into it."""
    all_words = {"MAP_NAME": "8m", "ENV_KWARGS.attack_mode": "closest", "NUM_ENVS": battles, "NUM_STEPS": steps,
                 "TOTAL_TIMESTEPS": TOTAL, "WANDB_MODE": "online"} | words
    return Baseline("mappo_rnn", Path("baselines/MAPPO/mappo_rnn_smax.py"), ("flax", "optax", "distrax"), battles,
                    steps, tuple(f"{key}={value}" for key, value in all_words.items()), "win_rate", evaluates=False)


BASELINES = {baseline.name: baseline for baseline in (
    # Its learning rate: 5e-5 is for 512 units and ten million steps. Of those that were tried, one run each, this was
    # the fastest: 1e-3 wins .30 after 0.84 M steps, 2e-3 on a schedule of one million .05 after 0.39 M, 5e-3 on one
    # million .69 and on two million .72 after 0.98 M.
    _q_learning("vdn_rnn", "ql_rnn_smax", ("flashbax", "flax", "optax", "chex"), 32, 128, LR="5e-3"),
    _q_learning("pqn_vdn_rnn", "pqn_vdn_rnn_smax", ("flax", "optax", "chex"), 64, 32, NUM_MINIBATCHES=4, NUM_EPOCHS=2,
                LR="1e-3"),
    _mappo(64, 128))}


def baseline(name: str) -> Baseline:
    """A baseline by its name. Raises BenchError for one that there is not."""
    if name not in BASELINES:
        raise unknown("baseline", name, BASELINES)
    return BASELINES[name]


def _mean(figures: Sequence[float]) -> float:
    """The mean of the figures that are known: of a round in which no battle ended there is none."""
    known = [figure for figure in figures if figure == figure]
    return sum(known) / len(known) if known else 0.0


def _whole_lines(file: Path) -> list[str]:
    """The lines of a file that are written to their ends."""
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
