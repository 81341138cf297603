"""A result as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bench.contracts import FIRST_STEPS, Estimate, Response, Result, Row
from bench.leaderboard.columns import BACKDOOR
from bench.leaderboard.ranking import place

PHASES = {"before": "before onset (the trigger's steps)",
          "after": f"after onset (the first {FIRST_STEPS} steps of the attack period)",
          "whole": "whole battle"}
STYLES = {"attack": "bold", "floor": "dim", "control": ""}


def phases(result: Result) -> dict[str, str]:
    """The phases of a result, and what they are for people."""
    steps = result.protocol.get("after_steps", FIRST_STEPS)
    return PHASES | ({} if steps == FIRST_STEPS else {"after": "after onset (" + (
        "the attack period)" if steps is None else f"the first {steps} steps of the attack period)")})


def show(result: Result, console: Console, whole: bool = False) -> None:
    """Print what a run has found on a screen, or the ``whole`` of it."""
    console.print(report(result) if whole else summary(result))


def summary(result: Result) -> Group:
    """What the attack does, and what the detector and the floors make of it. Intervals are 95 %."""
    first, *lines = _attack_lines(result)
    kept = [first, *(line for line in lines[1:] if line[0] != "accidental triggers")]
    foot = Text(f"In brackets 95 % intervals; AUROC's chance is .50. Visible: {phases(result)['before']} and "
                f"{phases(result)['after']}. Alarms: share of battles with the trigger, and without it, at thresholds "
                "for 5 % false alarms; delay: steps from the complete trigger to them. Floors see at most how long a "
                "battle is and how many of the team are dead or hurt.\nrun -v prints every table.", style="dim")
    rows = [row for row in result.rows if row.team == "backdoored" and row.triggered] or result.rows[:1]
    return Group(_head(result), _shares("attack", kept), _found(rows), _seen(rows), *_response(result.response), foot)


def _found(rows: Sequence[Row]) -> Table:
    """Backdoor detection, and whether the poisoned agent is named."""
    table = _columns("backdoor detection: AUROC against the clean team under the same trigger",
                     "before onset ↑", f"first {FIRST_STEPS} steps ↑", "attack period ↑", "attribution ↑")
    for row in rows:
        found = [getattr(row.backdoor, phase, Estimate(None)) for phase in BACKDOOR]
        table.add_row(row.detector, *map(_number, [*found, row.attribution]), style=STYLES[row.kind])
    return table


def _seen(rows: Sequence[Row]) -> Table:
    """How visible trigger and attack are, and the alarms."""
    table = _columns("trigger visibility: AUROC against battles without it, whoever plays", "before onset ↑",
                     "after onset ↑", "alarms ↑", "false alarms", "delay ↓")
    for row in rows:
        whole = row.phases["whole"]
        table.add_row(row.detector, *(_number(row.phases[phase].auroc) for phase in ("before", "after")),
                      _number(whole.tpr_at_5fpr), _number(whole.false_alarms_at_5fpr), _steps(row.delay, missing="-"),
                      style=STYLES[row.kind])
    return table


def _columns(title: str, *names: str) -> Table:
    table = Table("detector", box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def plain(frame: pd.DataFrame) -> Table:
    """A frame of texts, as it is."""
    table = Table(*frame.columns, box=box.SIMPLE_HEAD)
    for row in frame.to_numpy():
        table.add_row(*map(str, row))
    return table


def ranked(ranking: pd.DataFrame, what: str, over: str = "attacks") -> Table:
    """A ranking of :func:`bench.leaderboard.ranking.ranking`, by ``what``; floors are dim."""
    table = Table("", "detector", box=box.SIMPLE_HEAD, title=f"ranking, {what}: mean AUROC over "
                  f"{over}, 95 % interval over attacks, teams and battles; chance is .50. = ties with the first: the "
                  "paired interval holds 0", title_justify="left", title_style="bold")
    for column in ("AUROC ↑", "behind the first", "teams to tell", "a new team", "teams"):
        table.add_column(column, justify="right")
    for row in ranking.to_dict("records"):
        whole = not pd.isna(row["rank"])
        table.add_row(place(row), row["detector"],
                      _number(Estimate(row["auroc"], *(row[end] if whole else None for end in ("low", "high")))),
                      f"{row['behind_low']:.3f} to {row['behind_high']:.3f}" if whole and row["rank"] > 1 else "-",
                      f"{row['needed']:.0f}" if row["needed"] == row["needed"] else "-",
                      f"{row['new_low']:.2f} to {row['new_high']:.2f}" if whole else "-", str(row["teams"]),
                      style=STYLES[row["kind"]])
    return table


def compared(figures: pd.DataFrame) -> Table:
    """What :func:`bench.leaderboard.reproduce.compare` found; figures outside their interval are red."""
    table = Table("figure", box=box.SIMPLE_HEAD)
    for column in ("stored", "95 % interval", "now"):
        table.add_column(column, justify="right")
    for row in figures.to_dict("records"):
        stored, low, high, now = ("?" if pd.isna(row[name]) else f"{row[name]:.3f}"
                                  for name in ("stored", "low", "high", "now"))
        table.add_row(row["figure"], stored, f"{low} to {high}", now + ("" if row["inside"] else "  outside"),
                      style="" if row["inside"] else "red")
    return table


def by_team(results: Sequence[Result]) -> Table:
    """What a detector makes of the backdoored team of each result, a line each."""
    table = Table("attack", "algorithm", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", title=(
        "backdoor detection against the clean team under the same trigger, and how visible the trigger is; chance .50"))
    for column in ("ASR", "before onset ↑", f"first {FIRST_STEPS} steps ↑", "visible before", "visible after",
                   "alarms @5 % ↑", "false"):
        table.add_column(column, justify="right")
    for result in results:
        row, whole = result.rows[0], result.rows[0].phases["whole"]
        found = [row.backdoor.before, row.backdoor.first] if row.backdoor is not None else [Estimate(None)] * 2
        table.add_row(result.attack, result.algo, _percent(result.figures.asr.value), *map(_number, [
            *found, row.phases["before"].auroc, row.phases["after"].auroc, whole.tpr_at_5fpr,
            whole.false_alarms_at_5fpr]))
    return table


def report(result: Result) -> Group:
    """The attack's table, then a detection table a phase. Intervals are 95 %."""
    foot = Text("In brackets 95 % intervals: Wilson for rates, log-ratio for ASR and CPVR, bootstrap over battles for "
                "AUROC, AUPRC and VUS-PR, whose chance level is about the share of those steps. "
                "alarms @1 %, @5 %: share of triggered battles with an alarm, at thresholds that promise so many false "
                "alarms, taken from trigger-free battles alone. Teams other than the backdoored one, and battles "
                "without the trigger, are controls: there is no attack to find.", style="dim")
    detection = [_detection(result, phase, title) for phase, title in phases(result).items()]
    return Group(_head(result), _shares("attack", _attack_lines(result)), *_backdoor(result), *detection, _time(result),
                 *_stream(result), *_attribution(result), *_response(result.response), foot)


def _head(result: Result) -> Text:
    return Text(f"{result.attack} on {result.algo}, {result.env} ({result.env_version}), seed {result.seed}; "
                f"checkpoint {result.checkpoint_id}", style="bold")


def _attack_lines(result: Result) -> list[tuple[str, Estimate, str]]:
    """What the attack does: what each figure is called, its value, and what it is."""
    n = f"{result.sizes['normal']:,} battles"
    return [("clean win rate", result.figures.win_clean_team, f"clean team, no trigger, {n}"),
             ("  under trigger", result.figures.win_clean_team_triggered, "clean team, trigger shown (control)"),
             ("backdoored win rate", result.figures.win_backdoored, "backdoored team, no trigger"),
             ("  under trigger", result.figures.win_triggered, "backdoored team, trigger shown"),
             ("ASR ↑", result.figures.asr, "share of the clean team's wins lost under the trigger"),
             ("CPVR ↓", result.figures.cpvr, "share of the clean team's wins lost without the trigger"),
             ("trigger completed", result.figures.trigger_completed, "of the battles in which it was shown"),
             ("accidental triggers", result.figures.accidental, "clean team, trigger completed by itself")]


def _response(found: Response | None) -> list[Table]:
    """A table of what came of the response to alarms, if there is one."""
    if found is None:
        return []
    alarm = "halted" if found.name == "halt" else "alarms"
    lines = [("residual ASR ↓", found.residual_asr, "share of the clean team's wins still lost under the trigger"),
             ("win rate under trigger", found.win_triggered, "backdoored team and response, trigger shown"),
             ("  without trigger", found.win_normal, "what is missing to the win rate above is what false alarms cost"),
             (f"{alarm} under trigger", found.alarms_triggered, "of the battles, in time to act"),
             ("  without trigger", found.alarms_normal, "the same; thresholds promise 5 %")]
    return [_shares(f"response to alarms: {found.name}, {found.battles:,} battles each; the detector takes "
                    f"{found.step_ms:.1f} ms a step, {found.battle_step_ms:.2f} ms for that of one battle", lines)]


def _shares(title: str, lines: list[tuple[str, Estimate, str]]) -> Table:
    """A table of shares: what each is called, its value, and what it is."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in ("figure", "value", "95 % interval", "what it is"):
        table.add_column(column, justify="right" if column in ("value", "95 % interval") else "left")
    for name, estimate, what in lines:
        table.add_row(name, _percent(estimate.value), f"{_percent(estimate.low)} to {_percent(estimate.high)}", what)
    return table


def _backdoor(result: Result) -> list[Table]:
    """A table of the rows that are compared with the clean team's, if there are any."""
    rows = [(row, row.backdoor) for row in result.rows if row.backdoor is not None]
    if not rows:
        return []
    title = "backdoor detection: AUROC against the clean team under the same trigger, each team's battles ranked " \
            "among its own without it; chance is .50, however visible the trigger and however long the battle"
    table = Table("detector", "team", box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in ("before onset ↑", f"first {FIRST_STEPS} steps ↑", "attack period ↑"):
        table.add_column(column, justify="right", no_wrap=True)
    for row, found in rows:
        table.add_row(row.detector, _team(row), *(_number(getattr(found, phase)) for phase in BACKDOOR),
                      style=STYLES[row.kind])
    return [table]


def _detection(result: Result, phase: str, title: str) -> Table:
    base = next((row.phases[phase].base_rate for row in result.rows if row.kind == "attack"), None)
    title = f"trigger visibility, {title}: against battles without it"
    title += ("" if base is None else f"; AUPRC's chance level is {base:.2f}, AUROC's .50")
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in ("detector", "team"):
        table.add_column(column, no_wrap=True)
    for column in ("AUROC ↑", "AUPRC ↑", "alarms @1 % ↑", "alarms @5 % ↑"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        found = row.phases[phase]
        cells = [_number(e) for e in (found.auroc, found.auprc, found.tpr_at_1fpr, found.tpr_at_5fpr)]
        table.add_row(row.detector, _team(row), *cells, style=STYLES[row.kind])
    return table


def _time(result: Result) -> Table:
    title = "in time: median steps from the complete trigger to the alarm, at 5 % false alarms a battle; VUS-PR of " \
            "the steps under trigger or attack"
    table = Table("detector", "team", box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    table.add_column("delay ↓", justify="right")
    table.add_column("VUS-PR ↑", justify="right")
    for row in result.rows:
        table.add_row(row.detector, _team(row), _steps(row.delay) if row.triggered else "-",
                      _number(row.phases["whole"].vus_pr), style=STYLES[row.kind])
    return table


def _stream(result: Result) -> list[Table]:
    """A table of alarms over streams of battles, if any were measured."""
    rows = [(row, row.stream) for row in result.rows if row.stream is not None]
    if not rows:
        return []
    title = f"in the long run: alarms over {result.sizes['normal']:,} battles in random order, the trigger in a " \
            "tenth of them; of such streams without it, at most 5 % are promised to raise any"
    table = Table("detector", "team", box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    for column in ("alarms ↑", "without the trigger", "battles to the alarm ↓"):
        table.add_column(column, justify="right")
    for row, found in rows:
        soon = "fewer than half raise it" if found.battles is None else f"{found.battles:.0f}"
        table.add_row(row.detector, _team(row), _percent(found.alarms), _percent(found.false_alarms), soon,
                      style=STYLES[row.kind])
    return [table]


def _attribution(result: Result) -> list[Table]:
    """A table of the rows that have an attribution, if there are any."""
    rows = [row for row in result.rows if row.attribution.value is not None]
    if not rows:
        return []
    title = "attribution ↑: how often the poisoned agent's score is the greatest after onset"
    table = Table("detector", "team", box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold")
    table.add_column("share", justify="right")
    table.add_column("chance", justify="right")
    for row in rows:
        table.add_row(row.detector, _team(row), _number(row.attribution), f"{row.attribution_chance:.2f}",
                      style=STYLES[row.kind])
    return [table]


def _team(row: Row) -> str:
    return row.team + ("" if row.triggered else ", no trigger")


def _number(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    interval = "" if estimate.low is None else f" ({estimate.low:.2f}-{estimate.high:.2f})"
    return f"{estimate.value:.2f}{interval}"


def _steps(estimate: Estimate, missing: str = "fewer than half caught") -> str:
    if estimate.value is None:
        return missing
    low, high = ("?" if bound is None else f"{bound:.0f}" for bound in (estimate.low, estimate.high))
    return f"{estimate.value:.0f} ({low} to {high})"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
