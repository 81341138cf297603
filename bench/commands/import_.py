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
                  lambda words: _read(words), plays=False)


def _read(words: list[str]) -> list[str]:
    """The format and the folder, which come first, as words of the configuration."""
    if not words:
        raise BenchError(WHICH)
    if words[0] not in FORMATS:
        raise unknown("format to import", words[0], FORMATS)
    if len(words) > 1 and "=" not in words[1] and not words[1].startswith("-"):
        return [f"pymarl.folder={quoted(words[1])}", *words[2:]]
    return words[1:]


def main(cfg: DictConfig) -> None:
    """Write the team to ``out``/teams, and say how it is used."""
    import shlex

    from hydra.core.hydra_config import HydraConfig

    from bench.harness.imported import import_pymarl
    from bench.reporting.progress import console

    if cfg.pymarl.folder is None:
        raise BenchError(WHICH)
    name, how = import_pymarl(cfg)
    where = "as given" if how.config is None else f"says {how.config}"
    console.print(f"{name}: a {how.algo} team (obs_last_action={str(how.obs_last_action).lower()} "
                  f"obs_agent_id={str(how.obs_agent_id).lower()}, {where}), now in {cfg.out}/teams", soft_wrap=True)
    same = [word for word in HydraConfig.get().overrides.task if word.startswith(("env=", "env.", "out="))]
    words = shlex.join(["run", f"algo={how.algo}", *same, f"clean={name}"])
    console.print(f"use it in place of a team that is trained here: python -m bench {words}", soft_wrap=True)
