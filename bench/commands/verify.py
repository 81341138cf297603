"""``python -m bench verify``: are the checkpoints what they claim to be?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import Command

if TYPE_CHECKING:
    from omegaconf import DictConfig

COMMAND = Command("check the shipped checkpoints' hashes and measure a stored figure again")


def main(cfg: DictConfig) -> None:
    """Check hashes and measure stored win rates again: of all shipped teams, of those of ``only=ATTACK`` ("clean" for
    clean teams), or of ``team=PATH`` alone, whose architecture may be of a package of ``plugin``.

    Raises BenchError for a file that is not what its hash says, or a figure outside its stored interval.
    """
    from rich import box
    from rich.table import Table

    from bench import plugins
    from bench.artifacts import zoo
    from bench.artifacts.teams import load_team
    from bench.artifacts.written import plain
    from bench.build import build
    from bench.envs import make_battles
    from bench.errors import BenchError
    from bench.harness.configuration import check
    from bench.harness.gate import claims
    from bench.harness.names import trigger_recipe
    from bench.harness.teams import recall, win_rates
    from bench.harness.zoo import chosen
    from bench.reporting.progress import bar, console

    if cfg.team is None:
        files = zoo.check()
        console.print(f"{len(files)} shipped files have the hashes of the manifest")
        bases = [zoo.FOLDER / name for name in zoo.names()]
    else:
        bases = [Path(cfg.team)]
    check(cfg)
    attack = build(cfg.attack, "attack")
    table = Table("team", "figure", "stored (95 % interval)", "measured now", box=box.SIMPLE_HEAD)
    wrong = []
    trusted = plugins.trusted(cfg.plugin)
    loaded = {base: load_team(base, trusted) for base in bases}
    if cfg.team is None:
        attacks = {base: (about["recipe"].get("attack") or {"name": "clean"})["name"]
                   for base, (_, about) in loaded.items()}
        only = chosen(cfg, set(attacks.values()))
        loaded = {base: team for base, team in loaded.items() if attacks[base] in only}
    for base, (team, about) in loaded.items():
        # A trigger named by the checkpoint itself is not built: checkpoints come from strangers.
        attacked, measured = claims(about, f"{base}.json")
        known = trigger_recipe(attacked) == trigger_recipe(plain(cfg.attack))
        if attacked and not known:
            console.print(f"{base.name}: made with another trigger than attack={attack.name}; measured without it")
        if known:
            recall(attack, about)
        battles = make_battles(team.spec, plugins.trusted(cfg.plugin))
        with bar(f"measuring {base.name}") as progress:
            figures = win_rates(team, battles, cfg.budget.test_battles, attack.trigger if known else None, progress)
        for figure, now in figures.items():
            if figure not in measured:
                raise BenchError(f"{base}.json holds no measured {figure} to compare with")
            stored = measured[figure]
            assert now.value is not None
            inside = stored.low <= now.value <= stored.high
            table.add_row(base.name, figure, f"{stored.value:.3f} ({stored.low:.3f} to {stored.high:.3f})",
                          f"{now.value:.3f}" + ("" if inside else "  outside"), style="" if inside else "red")
            if not inside:
                wrong.append(f"{base.name}: {figure} is {now.value:.3f}")
    console.print(table)
    if wrong:
        raise BenchError(f"outside the stored interval: {'; '.join(wrong)}")
