"""``python -m bench import pymarl DIR``: a team that was trained elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.commands import Command
from bench.errors import BenchError, unknown
from bench.options import quoted

if TYPE_CHECKING:
    from omegaconf import DictConfig

FORMATS = ("pymarl",)
WHICH = "which team? python -m bench import pymarl DIR, where PyMARL's agent.th and mixer.th are"
COMMAND = Command("take over a clean team that PyMARL has trained (import pymarl DIR, with its agent.th and mixer.th)",
                  lambda arguments: _read(arguments), plays=False)


def _read(arguments: list[str]) -> list[str]:
    """The format and the folder, which come first, as overrides."""
    if not arguments:
        raise BenchError(WHICH)
    if arguments[0] not in FORMATS:
        raise unknown("format to import", arguments[0], FORMATS)
    if len(arguments) > 1 and "=" not in arguments[1] and not arguments[1].startswith("-"):
        return [f"pymarl.folder={quoted(arguments[1])}", *arguments[2:]]
    return arguments[1:]


def main(cfg: DictConfig) -> None:
    """Write the team to ``out``/teams, and say how it is used."""
    import shlex

    from bench.harness.composed import made
    from bench.harness.imported import import_pymarl
    from bench.reporting.progress import console

    if cfg.pymarl.folder is None:
        raise BenchError(WHICH)
    name, how = import_pymarl(cfg)
    where = "as given" if how.config is None else f"says {how.config}"
    console.print(f"{name}: a {how.algo} team (obs_last_action={str(how.obs_last_action).lower()} "
                  f"obs_agent_id={str(how.obs_agent_id).lower()}, {where}), now in {cfg.out}/teams", soft_wrap=True)
    same = [override for override in made(cfg).overrides if override.startswith(("env=", "env.", "out="))]
    overrides = shlex.join(["run", f"algo={how.algo}", *same, f"clean={name}"])
    console.print(f"use it in place of a team that is trained here: python -m bench {overrides}", soft_wrap=True)
