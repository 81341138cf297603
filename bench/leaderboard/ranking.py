"""Detectors in order: mean AUROC over attacks, with intervals over checkpoints; and where a new row would stand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.contracts import DEFENDERS, Estimate, Result

MAIN_ENV = "smax/8m/random"  # the environment that most teams are of: the paper's map, the default opponent
BOUNDS = ("always_on", "told")  # attacks that bound what others can reach; no backdoor that a detector is asked to find
TEAM = ["env", "algo", "attack", "seed"]
CONTROLS = {"clean team, trigger shown": ("clean", True), "retrained team, trigger shown": ("benign_finetune", True),
            "backdoored team, no trigger": ("backdoored", False)}
WITHOUT = "without conspicuous teams"
RESAMPLES = 1_000


def current(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows without error of the versions of benchmark and environment that were measured last: those that may be
    compared. Of rows of the same thing, the first is of the most battles, and of those the newest."""
    frame = frame[frame["status"] == "ok"]
    if frame.empty:
        return frame
    last = frame.sort_values("date").iloc[-1]
    same = (frame["benchmark_version"] == last["benchmark_version"]) & (frame["env_version"] == last["env_version"])
    return _best_first(frame[same])


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


def comparable(frame: pd.DataFrame, phase: str) -> pd.DataFrame:
    """The rows of :func:`attacked` with an AUROC in a phase, of the teams that at least half as many detectors were
    measured on as on the team that most were: what means over teams may be compared by."""
    rows = attacked(frame).dropna(subset=[f"{phase}_auroc"])
    measured = rows[rows["kind"] == "attack"].groupby(TEAM)["row_detector"].nunique()
    return rows.merge(measured[measured >= measured.max() / 2].index.to_frame(index=False), on=TEAM)


def by_stealth(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Which teams a ranking is of -> their rows: all, and where some give themselves away
    (:func:`bench.leaderboard.stealth.with_stealth`), those without them. What was not measured is not taken away."""
    stealthy = frame[~frame["conspicuous"]]
    return {"all teams": frame} | ({} if len(stealthy) == len(frame) else {WITHOUT: stealthy})


def controls(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One row a team and detector where there is no attack to find, by what was shown to whom (``CONTROLS``)."""
    rows = watched_by(frame[frame["kind"] == "control"]).drop_duplicates([*TEAM, "row_detector", "team", "triggered"])
    shown = rows["triggered"].fillna(False).astype(bool)
    return {side: rows[(rows["team"] == team) & (shown == triggered)] for side, (team, triggered) in CONTROLS.items()}


def bounds(frame: pd.DataFrame, attack: str = BOUNDS[0]) -> pd.Series:
    """(env, algo) -> mean ASR of one of ``BOUNDS``: of the attack that is hostile from the first step on, what one
    agent can do at all; or of the one that is told when the trigger of attack=scripted is complete, what is left
    then."""
    teams = frame[frame["attack"] == attack].drop_duplicates(TEAM)
    return teams.groupby(["env", "algo"])["asr"].mean()


def ranking(frame: pd.DataFrame, phase: str) -> pd.DataFrame:
    """Detectors by their AUROC in a phase, best first.

    Parameters
    ----------
    frame : a leaderboard; the rows of :func:`current` among it count, of those teams that are :func:`comparable`.
    phase : "before", "after" or "whole".

    Returns
    -------
    Frame with the columns ``rank`` (empty for a detector that was not measured on every team), ``detector``, ``kind``,
    ``auroc`` (mean over attacks of the mean over an attack's checkpoints), ``low`` and ``high`` (its 95 % interval, by
    bootstrap over the checkpoints of each attack) and ``teams`` (checkpoints measured).
    """
    name = f"{phase}_auroc"
    rows = comparable(current(frame), phase)
    lines = []
    for (detector, kind), mine in rows.groupby(["row_detector", "kind"]):
        estimate = _mean([group.to_numpy(float) for _, group in mine.groupby("attack")[name]])
        lines.append({"detector": detector, "kind": kind, "auroc": estimate.value, "low": estimate.low,
                      "high": estimate.high, "teams": len(mine)})
    found = pd.DataFrame(lines, columns=["detector", "kind", "auroc", "low", "high", "teams"])
    whole = found["teams"] == found["teams"].max()
    found.insert(0, "rank", found["auroc"].where(whole).rank(ascending=False, method="min").astype("Int64"))
    return found.sort_values(["rank", "auroc"], ascending=[True, False], ignore_index=True)


def _mean(attacks: list[np.ndarray]) -> Estimate:
    """Mean of the attacks' means, its interval by resampling each attack's checkpoints."""
    rng = np.random.default_rng(0)
    draws = [rng.choice(values, (RESAMPLES, len(values))).mean(1) for values in attacks]
    low, high = np.quantile(np.mean(draws, axis=0), [0.025, 0.975])
    return Estimate(float(np.mean([values.mean() for values in attacks])), float(low), float(high))


def standing(frame: pd.DataFrame, result: Result) -> str:
    """Where a result's detector would stand among those that the leaderboard has on the same team, in one line."""
    if result.protocol.get("after_steps") is not None:
        return "ranking: none, since the leaderboard's figures after onset are of the whole attack period"
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
    places = []
    for phase, name in (("before", "before onset"), ("after", "after onset")):
        auroc = mine.phases[phase].auroc.value
        theirs = others[f"{phase}_auroc"].dropna()
        if auroc is not None:
            places.append(f"{1 + int((theirs > auroc).sum())} of {1 + len(theirs)} {name} (AUROC {auroc:.2f})")
    return f"ranking on this team: {', '.join(places)}"
