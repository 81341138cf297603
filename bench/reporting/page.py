"""The leaderboard's page, ``leaderboard/index.html``: one file that needs no network.

``python -m bench.reporting.page`` makes it. Everything is taken from the CSV; learning curves come from the
checkpoints' descriptions, replays are linked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bench import options
from bench.artifacts import zoo
from bench.artifacts.files import read_json, write_atomic
from bench.contracts import Curves
from bench.errors import BenchError
from bench.leaderboard.curves import read_gathered
from bench.leaderboard.ranking import (
    EVERYWHERE,
    MAIN_ENV,
    TEAM,
    attacked,
    bounds,
    controls,
    counted,
    current,
    current_everywhere,
    domains,
    ordered,
    over,
    parts,
    place,
    plain_teams,
    profile,
    shown_figures,
    visible,
    watched_by,
)
from bench.leaderboard.rows import read_leaderboard
from bench.leaderboard.stealth import marked, read_stealth, with_stealth
from bench.reporting.charts import charts, profiles
from bench.reporting.html import template

CSV, PAGE = Path("leaderboard/leaderboard.csv"), Path("leaderboard/index.html")
PHASES = ("before", "after", "whole")
BACKDOOR = {"before": "backdoor_before", "after": "backdoor_first", "whole": "backdoor_period"}
FIGURES = ("backdoor", "auroc", "auroc_low", "auroc_high", "auprc", "tpr_at_1fpr", "tpr_at_5fpr",
           "false_alarms_at_5fpr")  # as page.js reads them
ABOUT = ("row_id", "detector", "kind", "attack", "trigger_kind", "env", "algo", "seed", "team", "triggered", "delay")
MAIN = "spatiotemporal"  # the attack that is shown first
PROFILES = 4  # detectors in a chart of performance profiles
WIDTH, HEIGHT = 320, 120  # of a learning curve, in the SVG's units


def page(frame: pd.DataFrame, figures: Path, curves: Mapping[str, Curves] | None = None,
         stealth: pd.DataFrame | None = None) -> str:
    """The page of a leaderboard, as HTML.

    Parameters
    ----------
    frame : what :func:`bench.leaderboard.rows.read_leaderboard` returns; rows of older versions are left out.
    figures : folder of replays, ``ATTACK-ALGO-sSEED-replay.html``, that stands beside the page.
    curves : row id -> curves (:func:`bench.leaderboard.curves.read_gathered`); rows without any are shown without.
    stealth : the table of stealth (:func:`bench.leaderboard.stealth.read_stealth`); teams without a line get no mark.

    Raises
    ------
    BenchError : no row of the leaderboard has figures.
    """
    rows = _shown(frame, None, stealth)
    if rows.empty:
        raise BenchError("the leaderboard has no row with figures: there is no page to make")
    elsewhere = {domain: _shown(frame, domain, stealth) for domain in domains(frame)[1:]}
    rankings = _rankings(rows) | {f"{which}, {domain}": found for domain, mine in elsewhere.items()
                                  for which, found in _rankings(mine).items()}
    everything = pd.concat([rows, *elsewhere.values()])
    if elsewhere:
        rankings[EVERYWHERE] = _phases(everything)
    return template("page.html").render(
        version=rows["benchmark_version"].iloc[0], env_version=rows["env_version"].iloc[0],
        date=str(rows["date"].max())[:10], revisions=sorted(rows["git_sha"].dropna().unique()),
        sizes={purpose: int(rows[f"n_{purpose}"].max()) for purpose in ("fit", "calibration", "normal", "triggered")},
        checkpoints=len(rows[TEAM].drop_duplicates()),
        older=int((frame["status"] == "ok").sum()) - len(current_everywhere(frame)),
        failed=frame.loc[frame["status"] == "error", ["attack", "algo", "detector", "error"]].to_dict("records"),
        rankings=rankings, visible=_visible(rows),
        learned={phase: _learned(found["lines"]) for phase, found in next(iter(rankings.values())).items()},
        attacks=_attacks(rows, figures), detectors=_detectors(rows, curves or {}),
        table=_table(everything))


def _shown(frame: pd.DataFrame, domain: str | None, stealth: pd.DataFrame | None) -> pd.DataFrame:
    """The rows of a domain that the page is of."""
    rows = watched_by(current(frame, domain)).drop_duplicates([*TEAM, "row_detector", "team", "triggered"])
    if rows.empty:
        return rows
    return with_stealth(rows, stealth).assign(**{f"{phase}_backdoor": rows[name] for phase, name in BACKDOOR.items()})


def _rankings(rows: pd.DataFrame) -> dict[str, Any]:
    """Of each of the :func:`parts` of a domain's rows, the ranking before onset and the one after it."""
    return {which: _phases(mine) for which, mine in parts(rows).items()}


def _phases(rows: pd.DataFrame) -> dict[str, Any]:
    return dict(zip(("before", "after"), (_ranking(rows, figure) for figure in shown_figures(rows)), strict=True))


def _ranking(rows: pd.DataFrame, figure: str) -> dict[str, Any]:
    """The lines of a ranking, and the chart of how the figure of the first ones is spread over teams."""
    rows = counted(rows, figure)
    found = ordered(rows, figure)
    first = found.dropna(subset=["rank"])["detector"].head(PROFILES).tolist()
    return {"lines": [row | {"place": place(row), "whole": not pd.isna(row["rank"])} for row in _records(found)],
            "over": over(rows), "first": first,
            "profile": profiles(profile(rows, figure, first)) if first else None}


def _learned(lines: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Of a ranking's lines with a rank: who is first, and how many detectors' intervals lie above those of all floors;
    None where there is no floor or nobody else."""
    ranked = [line for line in lines if line["whole"]]
    floors = [line["high"] for line in ranked if line["kind"] == "floor"]
    others = [line for line in ranked if line["kind"] != "floor"]
    if not floors or not others:
        return None
    return {"first": others[0]["detector"], "auroc": others[0]["auroc"], "of": len(others),
            "beat": sum(line["low"] > max(floors) for line in others)}


def _visible(rows: pd.DataFrame) -> dict[str, Any]:
    """Heads and lines of :func:`bench.leaderboard.ranking.visible`."""
    found = visible(rows)
    return {"phases": list(dict.fromkeys(found.columns.get_level_values(0))),
            "heads": list(found.columns.get_level_values(1)),
            "lines": list(zip(found.index, found.to_numpy().tolist(), strict=True))}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in line.items()} for line in frame.to_dict("records")]


def _table(rows: pd.DataFrame) -> dict[str, Any]:
    """The full table as page.js reads it: names of columns, and a list of values a row."""
    shown = rows.assign(detector=rows["row_detector"], mark=marked(rows))
    columns = [*ABOUT, *(["mark"] if shown["mark"].any() else []),
               *(f"{phase}_{figure}" for phase in PHASES for figure in FIGURES)]
    numbers = shown[columns].select_dtypes("float").columns
    values = shown[columns].round(dict.fromkeys(numbers, 3)).astype(object)
    return {"columns": columns, "rows": values.where(values.notna(), None).to_numpy().tolist()}


def _attacks(rows: pd.DataFrame, figures: Path) -> list[dict[str, Any]]:
    """A card an attack and environment, the most harmful first; a line a team, with the share of the bound's ASR."""
    teams = plain_teams(rows).drop_duplicates(TEAM)
    teams = teams.assign(mark=marked(teams))
    reach = bounds(rows)
    cards = []
    for (env, attack), mine in teams.groupby(["env", "attack"]):
        lines = []
        for row in _records(mine.sort_values(["algo", "seed"])):
            bound = reach.get((env, row["algo"]))
            replay = f"{attack}-{row['algo']}-s{row['seed']}-replay.html"
            replayed = env == MAIN_ENV and (figures / replay).exists()
            lines.append(row | {
                "share": None if bound is None or pd.isna(row["asr"]) else row["asr"] / bound,
                "replay": f"{figures.name}/{replay}" if replayed else None,
                "curve": _curve(row["checkpoint_id"])})
        cards.append({"name": attack, "env": env, "what": _summary("attack", str(attack)), "asr": mine["asr"].mean(),
                      "cpvr": mine["cpvr"].mean(), "kind": mine["trigger_kind"].iloc[0], "teams": lines})
    return sorted(cards, key=lambda card: (pd.isna(card["asr"]), -card["asr"]))


def _detectors(rows: pd.DataFrame, curves: Mapping[str, Curves]) -> list[dict[str, Any]]:
    """A card a detector: its figures against each attack (means over the teams), and where there is none to find."""
    found = attacked(rows)
    sides = controls(rows)
    cards = []
    for name, mine in found.groupby("row_detector"):
        own = {side: group[group["row_detector"] == name] for side, group in sides.items()}
        cards.append({
            "name": name, "kind": mine["kind"].iloc[0], "what": _summary("detector", str(name)),
            "version": mine["detector_version"].iloc[0], "view": mine["view"].iloc[0],
            "attacks": {attack: _means(group) for attack, group in mine.groupby("attack")},
            "sets": _sets(mine, curves),
            "controls": {side: _means(group) for side, group in own.items() if len(group)}})
    return cards


def _sets(mine: pd.DataFrame, curves: Mapping[str, Curves]) -> list[dict[str, Any]]:
    """The charts of each row of a detector that has curves; those of the main attack and map come first."""
    rows = _records(mine[mine["row_id"].isin(list(curves))].sort_values(["attack", "env", "algo"]))
    rows.sort(key=lambda row: (row["attack"] != MAIN, row["env"] != MAIN_ENV))
    return [{"name": f"{row['attack']}, {row['env'].split('/', 1)[1]}, {row['algo']}",
             "charts": charts(row, curves[row["row_id"]])} for row in rows]


def _means(rows: pd.DataFrame) -> dict[str, float | None]:
    """Means over teams, None where no team has the figure."""
    columns = [*(f"{phase}_{figure}" for phase in PHASES for figure in (*FIGURES, "base_rate")), "delay"]
    return {name: None if pd.isna(mean := rows[name].mean()) else float(mean) for name in columns}


def _curve(checkpoint: Any) -> dict[str, Any] | None:
    """The win rates of a shipped team while the backdoor was put into it, as points of an SVG's polylines."""
    file = zoo.FOLDER / f"{checkpoint}.json"
    if not file.exists():
        return None
    points = [point for point in read_json(file).get("curve", []) if "win_triggered" in point]
    if len(points) < 2:
        return None
    last = points[-1]["steps"] or 1
    lines = {name: " ".join(f"{WIDTH * point['steps'] / last:.1f},{HEIGHT * (1 - point[name]):.1f}" for point in points)
             for name in ("win_clean", "win_triggered")}
    return lines | {"steps": last, "width": WIDTH, "height": HEIGHT,
                    "first": points[0], "last": points[-1]}


def _summary(group: str, name: str) -> str:
    return options.summary(group, name) if name in options.names(group) else ""


if __name__ == "__main__":
    text = page(read_leaderboard(CSV), PAGE.parent / "figures", read_gathered(CSV), read_stealth(CSV))
    write_atomic(PAGE, text.encode())
