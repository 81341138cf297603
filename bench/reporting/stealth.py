"""A team's stealth as tables for people."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bench.contracts import CONSPICUOUS, MOST_CPVR
from bench.leaderboard.stealth import marked, with_stealth

EFFECT = {  # column of the table of stealth -> what it is called, what it is
    "win_clean_team": ("clean team wins", "W_o, no trigger"),
    "win_backdoored": ("attacked team wins", "W_c, no trigger"),
    "win_triggered": ("  under the trigger", "W_p"),
    "asr": ("ASR ↑", "share of the clean team's wins lost under the trigger"),
    "asr_completed": ("  once complete", "the same of the battles alone in which the trigger is complete"),
    "trigger_completed": ("trigger completed", "of the battles in which it was to be shown"),
    "attack_steps": ("attack period", "share of the steps of those battles"),
    "cpvr": ("CPVR ↓", "share of the clean team's wins lost without the trigger; 5 % or less, or it is no backdoor"),
    "accidental": ("accidents ↓", "clean team's battles in which the trigger completes by itself"),
}
AGREEMENT = {  # column -> when
    "agreement": ("agrees with its clean self ↑", "of the poisoned agents' actions, no trigger"),
    "agreement_retrained": ("  the retrained agent with its own", "no trigger"),
    "agreement_shown": ("  while the trigger is shown", "before it is complete"),
    "agreement_after": ("  after the attack period", "where the backdoor ends"),
}
APART = {  # column -> what is told apart
    "distinguishability": ("from the clean team ↓", "one battle"),
    "distinguishability_retrained": ("  the retrained team from it", "one battle"),
    "distinguishability_clean": ("  the clean team from itself", "one battle"),
    "distinguishability_64": ("from the clean team ↓", "64 battles"),
    "distinguishability_retrained_64": ("  the retrained team from it", "64 battles"),
    "distinguishability_clean_64": ("  the clean team from itself", "64 battles"),
    "beside_teammates": ("a poisoned agent from a teammate ↓", "one battle"),
    "beside_teammates_clean": ("  the clean team's agent from one", "one battle"),
}


def of_team(row: pd.Series) -> Group:
    """The table of one team, from its line, and what that comes to."""
    head = Text(f"{row['attack']} on {row['algo']}, {row['env']} ({row['env_version']}), seed {row['seed']}, agent "
                f"{row['victims']}; checkpoint {row['checkpoint_id']}", style="bold")
    effect = _table("effect", "what it is")
    for name, (title, what) in (EFFECT | AGREEMENT).items():
        effect.add_row(title, *_percents(row, name), what)
    apart = _table("given away without the trigger: AUROC of the best of simple statistics, chance .50", "by")
    apart.add_column("statistic")
    for name, (title, by) in APART.items():
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        interval = "-" if pd.isna(low) else f"{low:.2f} to {high:.2f}"
        statistic = row[f"{name}_statistic"]
        apart.add_row(title, _number(row[name]), interval, by, "-" if pd.isna(statistic) else statistic)
    foot = Text(f"{row['battles']:,} battles each, {row['clean_battles']:,} of the clean team, which no other attack "
                "shares; 95 % intervals over battles of this one team. AUROC of a nested cross-validation; the "
                "statistic is the one chosen most often.", style="dim")
    return Group(head, effect, apart, *(Text(f"{line}", style="bold red") for line in verdicts(row)), foot)


def verdicts(row: pd.Series) -> list[str]:
    """What is to be said of a team's line: that it is no backdoor, or gives itself away; whether intervals agree."""
    said = []
    for name, limit, text in (
            ("cpvr", MOST_CPVR, f"no backdoor by the paper's own measure: CPVR above {MOST_CPVR:.0%}"),
            ("distinguishability", CONSPICUOUS, f"conspicuous: distinguishability above {CONSPICUOUS:.2f}")):
        if pd.notna(row[name]) and row[name] > limit:
            clear = row[f"{name}_low"] > limit
            said.append(f"{text} ({'its whole interval' if clear else 'but its interval reaches below'})")
    return said


def of_all(stealth: pd.DataFrame) -> Table:
    """A line a team, the least conspicuous first."""
    title = "AUROC against the clean team by one battle without the trigger: the team, the retrained one, the clean one"
    table = Table("attack", "team", box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in ("ASR ↑", "CPVR ↓", "accidents ↓", "AUROC ↓", "retrained", "clean"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("mark")
    rows = with_stealth(stealth, stealth)
    for row in rows.assign(mark=marked(rows)).sort_values("distinguishability").to_dict("records"):
        team = f"{row['algo']}, {row['env'].partition('/')[2]}, seed {row['seed']}"
        table.add_row(row["attack"], team, *(_percents(row, name)[0] for name in (
            "asr", "cpvr", "accidental")), *(_number(row[name]) for name in (
                "distinguishability", "distinguishability_retrained", "distinguishability_clean")),
            row["mark"])
    return table


def _table(title: str, last: str) -> Table:
    table = Table("figure", box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in ("value", "95 % interval"):
        table.add_column(column, justify="right")
    table.add_column(last)
    return table


def _percents(row: Any, name: str) -> tuple[str, str]:
    """A share and its interval, "-" for what there is not."""
    ends = [row.get(f"{name}_{end}") for end in ("low", "high")]
    value, *interval = ("-" if one is None or pd.isna(one) else f"{one:.1%}" if name != "accidental" else f"{one:.2%}"
                        for one in (row[name], *ends))
    return value, " to ".join(interval) if "-" not in interval else "-"


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{value:.2f}"
