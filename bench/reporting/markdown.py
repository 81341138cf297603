"""The tables of the README and of docs/results.md, generated from the leaderboard's CSV:
``python -m bench.reporting.markdown``."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from bench.artifacts.files import read_bytes, write_atomic
from bench.errors import BenchError
from bench.leaderboard.ranking import (
    MAIN_ENV,
    RANKED,
    TEAM,
    WITHOUT,
    bounds,
    comparable,
    counted,
    current,
    domains,
    ordered,
    over,
    parts,
    place,
    plain_teams,
    shown_figures,
    visible,
)
from bench.leaderboard.ranking import controls as control_rows
from bench.leaderboard.rows import read_leaderboard
from bench.leaderboard.stealth import FLAGS, read_stealth, said, with_stealth

CSV, PAGES = Path("leaderboard/leaderboard.csv"), (Path("README.md"), Path("docs/results.md"))
FIGURES = {"clean team wins": "win_clean_team", "backdoored team wins": "win_backdoored",
           "under the trigger": "win_triggered", "**ASR**": "asr", "**CPVR**": "cpvr"}
BEST = 5  # places that the short ranking shows
MARKS = ("isoforest", "episode_length", "random")  # whom it shows wherever they stand
# One of each kind:
SHOWN = ("backdoorl", "marnet", "natural", "one4all", "scripted", "spatiotemporal", "temporal", "trojdrl")
MEANS = {"behaviour": "an outsider's behaviour", "observation": "observations edited", "none": "none"}


def tables(frame: pd.DataFrame, stealth: pd.DataFrame | None = None) -> dict[str, str]:
    """The Markdown tables, of the first of the leaderboard's domains, by the names of their marks; ``stealth`` is the
    table of stealth, if there is one.

    Raises BenchError for results of several versions: a table cannot mix them.
    """
    frame = frame[(frame["status"] == "ok") & frame["env"].str.startswith(f"{domains(frame)[0]}/")]
    for column in ("benchmark_version", "env_version"):
        if len(frame[column].unique()) > 1:
            raise BenchError(f"a table cannot mix results of several values of {column}")
    frame = with_stealth(current(frame), stealth)
    main = frame[(frame["attack"] == "spatiotemporal") & (frame["env"] == MAIN_ENV)]
    return {"ranking": places(frame), "stealthy": stealthy(frame), "seen": seen(frame), "attacks": attacks(frame),
            "controls": controls(main), "visibility": visibility(frame)} | {
                name: detectors(frame, figure)
                for name, figure in zip(("before", "first"), shown_figures(frame), strict=True)}


def places(frame: pd.DataFrame) -> str:
    """The ``BEST`` detectors by each of ``RANKED``, or by ``VISIBILITY`` where those were not measured, and ``MARKS``
    where they come later: place, name, mean AUROC over attacks with its 95 % interval, and the paired interval of what
    is missing to the first; below, what these are means over."""
    phases = shown_figures(frame)
    columns, means = [], []
    for figure, phase in phases.items():
        rows = counted(frame, figure)
        means.append(f"{phase}: {over(rows)}")
        found = ordered(rows, figure).dropna(subset=["rank"])
        kept = found[(found["rank"] <= BEST) | found["detector"].isin(MARKS)]
        columns.append([[place(row), row["detector"], f"{row['auroc']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
                         "" if row["rank"] == 1 else f"{row['behind_low']:.3f} to {row['behind_high']:.3f}"]
                        for row in kept.to_dict("records")])
    lines = [[cell for column in columns for cell in (column[i] if i < len(column) else [""] * 4)]
             for i in range(max(map(len, columns)))]
    table = grid([name for phase in phases.values() for name in ("place", phase, "AUROC", "behind the first")], lines)
    return f"{table}\n\n{'; '.join(means)}."


def stealthy(frame: pd.DataFrame) -> str:
    """:func:`places` without the teams that give themselves away, or a sentence where none is known to."""
    if frame["distinguishability"].isna().all():
        return "No team's stealth has been measured yet: `python -m bench stealth zoo` does."
    teams = parts(frame)
    return places(teams[WITHOUT]) if WITHOUT in teams else "No team is conspicuous."


def seen(frame: pd.DataFrame) -> str:
    """What ``python -m bench run`` measures where nothing is chosen: figures of the attack, backdoor detection by the
    detector and by the floor that sees how much of the team is lost."""
    cell = frame[(frame["env"] == MAIN_ENV) & (frame["attack"] == "spatiotemporal") & (frame["algo"] == "vdn")
                 & (frame["seed"] == 0) & (frame["team"] == "backdoored")
                 & frame["triggered"].fillna(False).astype(bool)]
    one = {name: cell[cell["row_detector"] == name].iloc[0] for name in ("isoforest", "losing")}
    figures = [[name, percent(cell.head(1), column)] for name, column in FIGURES.items()]
    aurocs = [[f"backdoor detection by {what}, {phase}", "{:.2f} ({:.2f} to {:.2f})".format(*(
        one[name][f"{figure}{end}"] for end in ("", "_low", "_high")))]
        for name, what in (("isoforest", "the isolation forest"), ("losing", "the floor `losing`"))
        for figure, phase in RANKED.items()]
    return grid(["figure", "value and 95 % interval"], figures + aurocs)


def attacks(frame: pd.DataFrame) -> str:
    """What each attack does: a line an attack, environment and algorithm, the mean over the seeds, in brackets the 95 %
    interval of a single seed or the lowest and the highest of several; the most harmful attack first.
    What is known of stealth (:func:`bench.leaderboard.stealth.with_stealth`) stands there if it is of any team."""
    teams, reach, told = plain_teams(frame).drop_duplicates(TEAM), bounds(frame), bounds(frame, "told")
    measured = teams["distinguishability"].notna().any()
    lines = []
    for (env, attack, algo), seeds in teams.groupby(["env", "attack", "algo"]):
        first, asr = seeds.iloc[0], seeds["asr"].mean()
        bound, later = reach.get((env, algo)), told.get((env, algo)) if attack == "scripted" else None
        lines.append((asr, [
            str(attack), str(env).split("/", 1)[1], str(algo), str(len(seeds)), MEANS[first["trigger_kind"]],
            str(first["agents_poisoned"]), *(percent(seeds, name) for name in FIGURES.values()),
            "" if bound is None or not first["agents_poisoned"] else f"{100 * asr / bound:.0f} %",
            "" if later is None else f"{100 * asr / later:.0f} %",
            f"{1_000 * seeds['accidental'].mean():.1f}",
            f"{100 * first['poison_rate']:.0f} %", f"{100 * seeds['poisoned_steps'].mean():.1f} %",
            *([_number(seeds["distinguishability"].mean()), said(seeds[list(FLAGS)].any().to_dict())]
              if measured else [])]))
    harm = {attack: max(asr for asr, line in lines if line[0] == attack) for _, (attack, *_) in lines}
    lines.sort(key=lambda line: (-harm[line[1][0]], line[1][1:3]))
    return grid(["attack", "map and opponent", "algorithm", "seeds", "trigger", "poisoned agents", *FIGURES,
                 "of the bound", "of told", "accidents in 1,000", "poisoned episodes", "poisoned steps",
                 *(["distinguishability", "mark"] if measured else [])],
                [line for _, line in lines])


def detectors(frame: pd.DataFrame, figure: str) -> str:
    """A figure of each detector against each attack of ``SHOWN``, or any if none of those is there: mean over the teams
    that are comparable, VDN / QMIX. The best detector first, floors last."""
    rows = comparable(frame, figure)
    shown = rows["attack"].isin(SHOWN)
    rows = rows[shown] if shown.any() else rows
    names = _attack_names(rows)
    lines = []
    for (kind, detector), mine in rows.groupby(["kind", "row_detector"]):
        cells = [_both(mine[(mine["attack"] == attack) & (mine["env"] == env)], figure)
                 for attack, env in names.values()]
        lines.append((kind, -pd.to_numeric(mine[figure]).mean(), [str(detector), *cells]))
    return grid(["detector", *names], [line for *_, line in sorted(lines)])


def visibility(frame: pd.DataFrame) -> str:
    """:func:`bench.leaderboard.ranking.visible` as a table."""
    table = visible(frame)
    head = [f"{phase}: {f'**{what}**' if what == 'backdoor detection' else what}"
            for phase, what in zip(*map(table.columns.get_level_values, (0, 1)), strict=True)]
    return grid(["detector", *head], [[str(name), *map(_number, line)] for name, *line in table.itertuples()])


def controls(frame: pd.DataFrame) -> str:
    """AUROC of each detector where there is no attack to find, mean over the seeds, VDN / QMIX."""
    sides = control_rows(frame)
    names = sorted({name for side in sides.values() for name in side["row_detector"]})
    return grid(["detector", *(f"{name}, {phase}" for name in sides for phase in ("before", "after"))], [
        [name, *(_both(side[side["row_detector"] == name], f"{phase}_auroc") for side in sides.values()
                 for phase in ("before", "after"))]
        for name in names])


def with_tables(page: str, parts: dict[str, str]) -> str:
    """A page's text with what stands between ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->`` replaced."""
    for name, table in parts.items():
        begin, end = (re.escape(f"<!-- {name}: {edge} -->") for edge in ("begin", "end"))
        block = f"{table}\n".replace("\\", r"\\")
        page = re.sub(f"(?<={begin}\n).*?(?={end})", block, page, flags=re.DOTALL)
    return page


def grid(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table of texts."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _attack_names(rows: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """Column title -> (attack, env), the plain name where an attack is in one environment alone."""
    pairs = sorted(set(zip(rows["attack"], rows["env"], strict=True)))
    alone = rows.groupby("attack")["env"].nunique()
    return {attack if alone[attack] == 1 else f"{attack}, {env.split('/', 1)[1]}": (attack, env)
            for attack, env in pairs}


def percent(seeds: pd.DataFrame, name: str) -> str:
    """The mean of a column of shares in percent; in brackets one seed's interval, or the range of several."""
    row = seeds.iloc[0]
    low, high = (row[f"{name}_low"], row[f"{name}_high"]) if len(seeds) == 1 else (seeds[name].min(), seeds[name].max())
    return f"{100 * seeds[name].mean():.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _both(rows: pd.DataFrame, column: str) -> str:
    """The mean of a column for VDN and for QMIX."""
    means = [rows.loc[rows["algo"] == algo, column].mean() for algo in ("vdn", "qmix")]
    return " / ".join(_number(mean) for mean in means)


def _number(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:.2f}"


if __name__ == "__main__":
    found = tables(read_leaderboard(CSV), read_stealth(CSV))
    for path in PAGES:
        write_atomic(path, with_tables(read_bytes(path).decode(), found).encode())
