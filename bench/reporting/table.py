"""A result as tables for people."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bench.contracts import Detection, Estimate, Result

PHASES = {"before": "before onset (the trigger's steps)", "after": "after onset (the attack period)",
          "whole": "whole episode"}


def show(result: Result, console: Console) -> None:
    """Print the report of a run."""
    console.print(report(result))


def report(result: Result) -> Group:
    """The attack's table, then a detection table a phase. Intervals are 95 %."""
    head = Text(f"{result.attack} on {result.algo}, {result.env} ({result.env_version}), seed {result.seed}; "
                f"checkpoint {result.checkpoint}", style="bold")
    foot = Text("95 % intervals: Wilson for rates, log-ratio for ASR and CPVR, bootstrap over battles for AUROC, AUPRC. "
                "@1 % and @5 %: share of triggered battles with an alarm, thresholds from trigger-free battles alone "
                "(in brackets: the share of other trigger-free battles that raised one). "
                "Delay: median steps from the complete trigger to the alarm at 5 % false alarms a battle.", style="dim")
    return Group(head, _attack(result), *(_detection(result, phase, title) for phase, title in PHASES.items()), foot)


def _attack(result: Result) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="attack", title_justify="left", title_style="bold")
    for column in ("figure", "value", "95 % interval", "what it is"):
        table.add_column(column, justify="right" if column in ("value", "95 % interval") else "left")
    n = f"{result.sizes['normal']:,} battles"
    lines = [("clean win rate", result.figures.win_clean_team, f"clean team, no trigger, {n}"),
             ("  under trigger", result.figures.win_clean_team_triggered, "clean team, trigger shown (control)"),
             ("backdoored win rate", result.figures.win_backdoored, "backdoored team, no trigger"),
             ("  under trigger", result.figures.win_triggered, "backdoored team, trigger shown"),
             ("ASR ↑", result.figures.asr, "share of the clean team's wins lost under the trigger"),
             ("CPVR ↓", result.figures.cpvr, "share of the clean team's wins lost without the trigger"),
             ("trigger completed", result.figures.trigger_completed, "of the battles in which it was shown"),
             ("accidental triggers", result.figures.accidental, "clean team, trigger completed by itself")]
    for name, estimate, what in lines:
        table.add_row(name, _percent(estimate.value), f"{_percent(estimate.low)} to {_percent(estimate.high)}", what)
    return table


def _detection(result: Result, phase: str, title: str) -> Table:
    bases = {row.phases[phase].base_rate for row in result.rows if row.kind == "attack"}
    base = next((f"{b:.2f}" for b in bases if b is not None), "-")
    table = Table(box=box.SIMPLE_HEAD, title=f"detection, {title}", title_justify="left", title_style="bold")
    for column in ("detector", "on"):
        table.add_column(column, no_wrap=True)
    names = ["AUROC ↑", f"AUPRC ↑ (base {base})", "@1 % ↑", "@5 % ↑"] + (["delay ↓"] if phase == "whole" else [])
    for column in names:
        table.add_column(column, justify="right", no_wrap=True)
    for row in result.rows:
        style = {"attack": "bold", "floor": "dim", "control": ""}[row.kind]
        cells = _cells(row.phases[phase]) + ([_steps(row.delay)] if phase == "whole" else [])
        on = row.team if row.triggered else f"{row.team}, no trigger"
        table.add_row(row.detector, on, *cells, style=style)
    return table


def _cells(d: Detection) -> list[str]:
    return [_number(d.auroc), _number(d.auprc), f"{_percent(d.rate_1.value)} [{_percent(d.false_alarms_1.value)}]",
            f"{_percent(d.rate_5.value)} [{_percent(d.false_alarms_5.value)}]"]


def _number(estimate: Estimate) -> str:
    if estimate.value is None:
        return "-"
    return f"{estimate.value:.2f} ({estimate.low:.2f}-{estimate.high:.2f})"


def _steps(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not reached"
    low, high = ("?" if bound is None else f"{bound:.0f}" for bound in (estimate.low, estimate.high))
    return f"{estimate.value:.0f} ({low} to {high})"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
