"""Detectors in order: mean AUROC over attacks, with intervals over attacks and teams; where a new row would stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bench.contracts import DEFENDERS, FIRST_STEPS, Result
from bench.leaderboard.across import Teams, Z, means, profiles

MAIN_ENV = "smax/8m/random"  # the environment that most teams are of: the paper's map, the default opponent
BOUNDS = ("always_on", "told")  # attacks that bound what others can reach; no backdoor that a detector is asked to find
TEAM = ["env", "algo", "attack", "seed"]
BY = [*TEAM, "row_detector", "kind", "team", "triggered", "defender", "split", "trigger_length", "status", "date",
      "n_triggered", "benchmark_version", "env_version"]  # what tells which rows count
CONTROLS = {"clean team, trigger shown": ("clean", True), "retrained team, trigger shown": ("benign_finetune", True),
            "backdoored team, no trigger": ("backdoored", False)}
VALUES = ("vdn", "qmix")  # algorithms whose teams have values, which some detectors need: others' are ranked apart
WITHOUT, HELD_OUT, EVERYWHERE = "without conspicuous teams", "held-out teams", "all teams of all domains"
RANKED = {"backdoor_before": "before onset", "backdoor_first": f"in the first {FIRST_STEPS} steps"}  # by these
LEVELS = np.linspace(0.3, 1, 36)  # of a performance profile: chance is .5
VISIBILITY = {"before_auroc": "before onset", "after_auroc": f"in the first {FIRST_STEPS} steps"}  # shown beside them


def domains(frame: pd.DataFrame) -> list[str]:
    """The kinds of environment, first parts of their ids, that a leaderboard has figures of; the main one first."""
    found = _domain(frame[frame["status"] == "ok"]).unique()
    return sorted(found, key=lambda name: (name != MAIN_ENV.partition("/")[0], name))


def _domain(frame: pd.DataFrame) -> pd.Series:
    return frame["env"].str.split("/").str[0]


def current(frame: pd.DataFrame, domain: str | None = None) -> pd.DataFrame:
    """The rows without error of one of :func:`domains`, by default the first, and of the versions of benchmark and
    environment that were measured last in it: those that may be compared. Of rows of the same thing, the first is of
    the most battles, and of those the newest."""
    frame = frame[frame["status"] == "ok"]
    if frame.empty:
        return frame
    frame = frame[_domain(frame) == (domain or domains(frame)[0])]
    last = frame.sort_values("date").iloc[-1]
    same = (frame["benchmark_version"] == last["benchmark_version"]) & (frame["env_version"] == last["env_version"])
    return _best_first(frame[same])


def current_everywhere(frame: pd.DataFrame) -> pd.DataFrame:
    """:func:`current` of every domain, one after the other: to be listed, not to be ranked together."""
    found = [current(frame, domain) for domain in domains(frame)]
    return pd.concat(found) if found else current(frame)


def _best_first(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values(["n_triggered", "date"], ascending=False, kind="stable")


def watched_by(frame: pd.DataFrame, defender: str = DEFENDERS[0]) -> pd.DataFrame:
    """The rows of one kind of defender; by default of the one who holds the suspect team alone."""
    return frame[frame["defender"].fillna(DEFENDERS[0]) == defender]


def attacked(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a backdoored team and detector, under the trigger: detectors and floors where there is an attack to find,
    and the suspect team is all that the defender holds.
    """
    frame = watched_by(frame)
    teams = frame.loc[frame["kind"] == "attack", TEAM].drop_duplicates()
    rows = frame[(frame["team"] == "backdoored") & frame["triggered"].fillna(False).astype(bool)
                 & ~frame["attack"].isin(BOUNDS)].merge(teams, on=TEAM)
    return rows.drop_duplicates([*TEAM, "row_detector"])


def comparable(frame: pd.DataFrame, figure: str) -> pd.DataFrame:
    """The rows of :func:`attacked` with a figure, a column, of the teams that at least half as many detectors were
    measured on as on the team that most were: what means over teams may be compared by. If any of these teams has
    values (``VALUES``), those without are left out, since not all detectors can judge them. Before onset, the attacks
    are left out whose trigger is a single step: nothing of it is there to see. A detector that was measured on a
    disguised team, too, has the worse of the two figures."""
    rows = by_the_worse(attacked(frame).dropna(subset=[figure]), figure)
    if "before" in figure:
        rows = rows[rows["trigger_length"].fillna(2) > 1]
    with_values = rows["algo"].isin(VALUES)
    rows = rows[with_values] if with_values.any() else rows
    measured = rows[rows["kind"] == "attack"].groupby(TEAM)["row_detector"].nunique()
    return rows.merge(measured[measured >= measured.max() / 2].index.to_frame(index=False), on=TEAM)


def counted(frame: pd.DataFrame, figure: str) -> pd.DataFrame:
    """The rows of a leaderboard that a ranking by a figure is over: of each of its domains those of :func:`current`
    that are :func:`comparable`. An attack in two domains is two attacks. Of the columns, those of the figure and what
    tells rows apart: a leaderboard has so many others that taking rows of it is slow."""
    frame = frame[frame.columns.intersection([*BY, figure, f"{figure}_low", f"{figure}_high"], sort=False)]
    found = {domain: comparable(current(frame, domain), figure) for domain in domains(frame)}
    several = len(found) > 1
    rows = [mine.assign(attack=f"{domain}: " + mine["attack"]) if several else mine for domain, mine in found.items()]
    return pd.concat(rows) if rows else comparable(current(frame), figure)


def by_the_worse(rows: pd.DataFrame, figure: str) -> pd.DataFrame:
    """One row a team and detector: of a team and its disguises (attacks ATTACK-DISGUISE) that with the lowest figure.
    What was measured on a disguised team alone does not count."""
    disguised = (rows["split"] == "disguised").fillna(False)
    known = rows[~disguised]
    others = rows[disguised].assign(attack=rows["attack"].str.split("-").str[0])
    others = others.merge(known[[*TEAM, "row_detector"]], on=[*TEAM, "row_detector"])
    both = pd.concat([known, others]).sort_values(figure, kind="stable") if len(others) else known
    return both.drop_duplicates([*TEAM, "row_detector"])


def plain_teams(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of teams whose weights are not disguised."""
    return frame[~(frame["split"] == "disguised").fillna(False)]


def parts(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Which teams a ranking is of -> their rows: all; those that no detector was to be developed on; those that do not
    give themselves away (:func:`bench.leaderboard.stealth.with_stealth`; what was not measured does not); and those of
    algorithms that learn no values, which are no part of the others (:func:`comparable`). The last three only where
    they are some of all."""
    without = frame[~frame["algo"].isin(VALUES)]
    some = {HELD_OUT: frame[frame["split"] != "dev"], WITHOUT: frame[~frame["conspicuous"]],
            f"teams of {', '.join(sorted(without['algo'].unique())).upper()}": without}
    return {"all teams": frame} | {name: rows for name, rows in some.items() if 0 < len(rows) < len(frame)}


def controls(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One row a team and detector where there is no attack to find, by what was shown to whom (``CONTROLS``)."""
    rows = watched_by(frame[frame["kind"] == "control"]).drop_duplicates([*TEAM, "row_detector", "team", "triggered"])
    shown = rows["triggered"].fillna(False).astype(bool)
    return {side: rows[(rows["team"] == team) & (shown == triggered)] for side, (team, triggered) in CONTROLS.items()}


def visible(frame: pd.DataFrame) -> pd.DataFrame:
    """What detectors see of a trigger, whoever is shown it, beside what they see of the backdoor: a line a detector,
    who sees most of the trigger before onset first. Columns are (phase, what): the visibility for "backdoored teams"
    and for the "clean team" under the same trigger, and "backdoor detection"; means over the attacks that are
    :func:`comparable`. Who was not measured on every team is left out, as from the places of a ranking."""
    clean = controls(frame)["clean team, trigger shown"]
    columns = {}
    for (seen, phase), ranked in zip(VISIBILITY.items(), RANKED, strict=True):
        found = comparable(frame, ranked if frame[ranked].notna().any() else seen)
        measured = found["row_detector"].value_counts()
        found = found[found["row_detector"].isin(measured.index[measured == measured.max()])]
        shown = clean[clean["row_detector"].isin(found["row_detector"])].merge(found[TEAM].drop_duplicates(), on=TEAM)
        for what, rows, figure in (("backdoored teams", found, seen), ("clean team", shown, seen),
                                   ("backdoor detection", found, ranked)):
            by_attack = rows.groupby(["row_detector", "attack"])[figure].mean()
            columns[phase, what] = by_attack.groupby("row_detector").mean()
    return pd.DataFrame(columns).sort_values(next(iter(columns)), ascending=False)


def bounds(frame: pd.DataFrame, attack: str = BOUNDS[0]) -> pd.Series:
    """(env, algo) -> mean ASR of one of ``BOUNDS``: of the attack that is hostile from the first step on, what one
    agent can do at all; or of the one that is told when the trigger of attack=scripted is complete, what is left
    then."""
    teams = frame[frame["attack"] == attack].drop_duplicates(TEAM)
    return teams.groupby(["env", "algo"])["asr"].mean()


def over(rows: pd.DataFrame) -> str:
    """How many attacks and teams the mean of some :func:`counted` rows is over, and of which algorithms."""
    teams = rows[TEAM].drop_duplicates()
    seeds = teams.groupby(["env", "attack", "algo"]).size().max()
    counts = {"attack": teams["attack"].nunique(), "team": len(teams)}
    words = ", ".join(f"{n} {what}{'s' if n != 1 else ''}" for what, n in counts.items())
    algorithms = ", ".join(sorted(teams["algo"].unique())).upper()
    return f"{words} ({algorithms}), {'one seed each' if seeds == 1 else f'up to {seeds} seeds each'}"


COLUMNS = ["rank", "detector", "kind", "auroc", "low", "high", "behind", "behind_low", "behind_high", "beaten",
           "needed", "new_low", "new_high", "middle", "teams"]


def ranking(frame: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Detectors by a figure of a leaderboard: :func:`ordered`, of the rows that are :func:`counted`. To rank in one
    domain, take :func:`current` of that."""
    return ordered(counted(frame, figure), figure)


def ordered(rows: pd.DataFrame, figure: str) -> pd.DataFrame:
    """Detectors by an AUROC, best first.

    Parameters
    ----------
    rows : that are :func:`counted`.
    figure : their column, such as one of ``RANKED``.

    Returns
    -------
    Frame with the columns ``rank`` (empty for a detector that was not measured on every team), ``detector``, ``kind``,
    ``auroc`` (mean over attacks of the mean over an attack's teams) and ``teams`` (how many were measured). Of those
    that have a rank also the other figures of :class:`bench.leaderboard.across.Means`: the intervals ``low`` to
    ``high`` (over attacks, teams and battles) and ``new_low`` to ``new_high`` (of a further team), ``middle``
    (interquartile mean), and ``behind`` with ``behind_low`` and ``behind_high``: by how much it is behind the first (an
    interval that holds 0 is a tie), ``beaten`` and ``needed``: how often it is, and how many teams would tell.
    """
    rows = rows.assign(
        error=lambda rows: (rows[f"{figure}_high"] - rows[f"{figure}_low"]) / (2 * Z))
    if rows.empty:
        return pd.DataFrame(columns=COLUMNS)
    kinds = rows.groupby("row_detector")["kind"].first()
    values, errors = (rows.pivot_table(one, TEAM, "row_detector") for one in (figure, "error"))
    by_attack = values.groupby(level="attack").mean()
    found = pd.DataFrame({"kind": kinds, "auroc": by_attack.mean(), "teams": values.notna().sum()})
    whole = found.index[found["teams"] == found["teams"].max()]
    there = values[whole].dropna()
    about = means(there.to_numpy(float), errors.reindex(there.index, columns=whole).fillna(0).to_numpy(float),
                  Teams(there.index.get_level_values("attack").tolist()))
    found = found.join(pd.DataFrame(vars(about), index=whole).drop(columns="value"))
    found.insert(0, "rank", found["auroc"].where(found.index.isin(whole)).rank(
        ascending=False, method="min").astype("Int64"))
    found = found.rename_axis("detector").reset_index()[COLUMNS]
    return found.sort_values(["rank", "auroc"], ascending=[True, False], ignore_index=True)


def profile(rows: pd.DataFrame, figure: str, detectors: Sequence[str]) -> pd.DataFrame:
    """How a figure of :func:`counted` rows is spread over their teams: a column a detector, a line each of
    ``LEVELS``: the share of the teams, every attack counting alike, on which it has at least that."""
    values = rows.pivot_table(figure, TEAM, "row_detector")[list(detectors)].dropna()
    teams = Teams(values.index.get_level_values("attack").tolist())
    return pd.DataFrame(profiles(values.to_numpy(float), teams, LEVELS), index=LEVELS, columns=list(detectors))


def beside(rows: Sequence[pd.DataFrame], theirs: pd.DataFrame) -> pd.DataFrame:
    """The rows of some results of a detector, and those of a leaderboard of other detectors on the same teams."""
    mine = pd.concat(rows, ignore_index=True)
    same = theirs["checkpoint_sha256"].isin(mine["checkpoint_sha256"]) & ~theirs["detector"].isin(mine["detector"])
    return pd.concat([mine, theirs[same]], ignore_index=True)


def shown_figures(frame: pd.DataFrame) -> dict[str, str]:
    """``RANKED``, or ``VISIBILITY`` of a leaderboard of before those were measured."""
    return RANKED if frame[list(RANKED)].notna().any(axis=None) else VISIBILITY


def place(row: Mapping[Any, Any]) -> str:
    """A detector's place, of a row of :func:`ranking`, with a sign where it is not to be told from the first; none
    without a rank."""
    if pd.isna(row["rank"]):
        return ""
    return f"{row['rank']}{' =' if row['rank'] > 1 and row['behind_low'] <= 0 else ''}"


def standing(frame: pd.DataFrame, result: Result) -> str:
    """Where a result's detector would stand among those that the leaderboard has on the same team, in one line."""
    if result.protocol.get("after_steps", FIRST_STEPS) != FIRST_STEPS:
        return f"ranking: none, since the leaderboard's figures after onset are of {FIRST_STEPS} steps"
    frame = _best_first(watched_by(frame, result.protocol.get("defender", DEFENDERS[0])))
    rows = frame[(frame["status"] == "ok") & (frame["kind"].isin(["attack", "floor"]))
                 & (frame["team"] == "backdoored") & frame["triggered"].fillna(False).astype(bool)]
    same = {"benchmark_version": result.benchmark_version, "env": result.env, "env_version": result.env_version,
            "attack": result.attack, "checkpoint_sha256": result.checkpoints.get("backdoored"),
            "n_triggered": result.sizes.get("triggered")}
    for column, value in same.items():
        rows = rows[(rows[column] == value).fillna(False)]
    others = rows[rows["row_detector"] != result.detector].drop_duplicates("row_detector")
    mine = result.rows[0]
    if others.empty or mine.kind != "attack":
        return "ranking: the leaderboard has no other detector on this team in as many battles"
    if mine.backdoor is None:
        return "ranking: none, since backdoor detection needs the clean team under the same trigger"
    places = []
    for (figure, phase), own in zip(RANKED.items(), (mine.backdoor.before, mine.backdoor.first), strict=True):
        theirs = others[figure].dropna()
        if own.value is not None:
            places.append(f"{1 + int((theirs > own.value).sum())} of {1 + len(theirs)} {phase} (AUROC {own.value:.2f})")
    return f"ranking on this team, by backdoor detection: {', '.join(places)}"
