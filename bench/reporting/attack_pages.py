"""The heads of the attacks' pages, docs/attacks/NAME.md, generated from ``conf``, the leaderboard's CSV and the table
of stealth beside it: ``python -m bench.reporting.attack_pages``. What stands below the head is written by hand."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import pandas as pd
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from bench import compat, options, plugins
from bench.artifacts.files import read_bytes, write_atomic
from bench.leaderboard.ranking import MAIN_ENV, TEAM, current_everywhere
from bench.leaderboard.rows import read_leaderboard
from bench.leaderboard.shipped import to_read
from bench.leaderboard.stealth import read_stealth
from bench.reporting.markdown import grid, percent, with_tables

FOLDER, CSV = Path("docs/attacks"), Path("leaderboard/leaderboard.csv")
FIGURES = {"trigger completed": "trigger_completed", "ASR": "asr", "CPVR": "cpvr"}
STEALTH = {"ASR": "asr", "once complete": "asr_completed", "CPVR": "cpvr", "trigger completed": "trigger_completed"}
MAIN = f"{MAIN_ENV.partition('/')[0]}/"  # left away where an environment is told
APART = ("distinguishability", "distinguishability_64", "distinguishability_retrained")
AGREEMENT = ("agreement", "agreement_shown", "agreement_after")
PARTS = ("trigger", "payload", "learning", "victim", "duration", "poison_rate", "departures")


def head(name: str, frame: pd.DataFrame, stealth: pd.DataFrame) -> str:
    """What an attack is, what it is made of, and what its shipped teams do: the mean over seeds, in brackets the 95 %
    interval of a single one or the lowest and the highest of several; and of each team what is known of its stealth.
    ``frame`` are the leaderboard's rows, ``stealth`` the table of stealth."""
    attack = compose("config", [f"attack={name}"]).attack
    made_of = [[part, _text(attack[part])] for part in PARTS if part in attack]
    text = f"{options.summary('attack', name)}\n\n{grid(['part', 'what'], made_of)}\n"
    teams = current_everywhere(frame[frame["attack"] == name]).drop_duplicates(TEAM)
    lines = [[str(env).removeprefix(MAIN), str(algo), str(len(seeds)),
              *(percent(seeds, column) for column in FIGURES.values())]
             for (env, algo), seeds in teams.groupby(["env", "algo"])]
    known = stealth[stealth["attack"] == name].sort_values(["env", "algo", "seed"])
    text += f"\n{grid(['map and opponent', 'algorithm', 'seeds', *FIGURES], lines)}" if lines else (
        "\nNo team of this attack is in the leaderboard.")
    return f"{text}\n\n{_stealth(known)}" if len(known) else text


def _stealth(known: pd.DataFrame) -> str:
    """The lines of the table of stealth that are an attack's."""
    lines = [[row["env"].removeprefix(MAIN), row["algo"], str(row["seed"]),
              *(percent(pd.DataFrame([row]), column) for column in STEALTH.values()),
              f"{row['accidents']:.0f} of {row['clean_battles']:,.0f}", *(_number(row, column) for column in APART),
              " / ".join("-" if pd.isna(row[column]) else f"{100 * row[column]:.0f} %" for column in AGREEMENT)]
             for row in known.to_dict("records")]
    names = ["map and opponent", "algorithm", "seed", *STEALTH, "accidents", "distinguishability",
             "by 64 battles", "of the retrained team", "agreement: no trigger / shown / after"]
    return f"Battles of each team's own (`python -m bench stealth`), 95 % intervals over them:\n\n{grid(names, lines)}"


def _number(row: dict[Hashable, Any], name: str) -> str:
    """A figure and its interval."""
    return "-" if pd.isna(row[name]) else f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def _text(part: Any) -> str:
    """A part of an attack as a line: what it is called and the plain values that it is given."""
    if not isinstance(part, DictConfig):
        return f"`{part}`"
    values = [f"`{name}={part[name]}`" for name in map(str, part)
              if name != "_target_" and not isinstance(part[name], DictConfig)]
    return " ".join([str(part["_target_"]).rpartition(".")[2], ", ".join(values)])


def pages() -> dict[Path, str]:
    """Every attack's page with its head as it should be. Needs Hydra's configuration to be initialised."""
    frame, stealth = read_leaderboard(to_read(CSV)), read_stealth(to_read(CSV))
    return {file: with_tables(read_bytes(file).decode(), {"head": head(name, frame, stealth)})
            for name in options.names("attack") if (file := FOLDER / f"{name}.md").exists()}


if __name__ == "__main__":
    plugins.register()
    with initialize_config_module("bench.conf", **compat.VERSION):
        for path, page in pages().items():
            write_atomic(path, page.encode())
