"""Teams that were trained elsewhere, made this benchmark's own."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from omegaconf import DictConfig

from bench.artifacts.files import config_hash
from bench.artifacts.pymarl import files, read_pymarl
from bench.artifacts.pymarl_settings import ASKED, Trained, trained
from bench.artifacts.teams import save_team
from bench.build import build
from bench.contracts import Battles
from bench.errors import BenchError
from bench.harness.configuration import check, check_places
from bench.harness.names import called, place_of


def import_pymarl(cfg: DictConfig) -> tuple[str, Trained]:
    """Write PyMARL's team in ``cfg.pymarl.folder``, for the configured environment, to ``out``/teams.

    Returns the name that it has there, and how it was trained.
    """
    check(cfg)
    check_places(cfg)
    folder = Path(cfg.pymarl.folder).expanduser()
    config = None if cfg.pymarl.config is None else Path(str(cfg.pymarl.config)).expanduser()
    how = trained(folder, {name: cfg.pymarl[name] for name in ASKED}, called(cfg.algo, "algorithm"), config)
    if how.map is not None and "map" in cfg.env and how.map != str(cfg.env.map):
        raise BenchError(f"{folder} was trained on the map '{how.map}', says {how.config}; configured is "
                         f"env.map={cfg.env.map}")
    battles: Battles = build(cfg.env, "environment")
    spec = battles.spec
    team = read_pymarl(folder, how, spec, getattr(battles, "state_shift", None))
    settings = {name: value for name, value in asdict(how).items() if name in ASKED}
    recipe = {"env": spec.id, "env_version": spec.version, "pymarl": {"files": files(folder), **settings},
              "algo": {"name": how.algo}}
    name = f"{how.algo}-{place_of(spec)}-pymarl-{config_hash(recipe)}"
    save_team(Path(cfg.out) / "teams" / name, team, {"recipe": recipe, "curve": []})
    return name, how
