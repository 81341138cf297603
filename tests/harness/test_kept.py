"""Compositions that are kept: what is found again, and when Hydra composes anew."""

import pytest
from hydra import compose, initialize_config_dir, initialize_config_module
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError

from bench import compat
from bench.harness import kept


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "folder", lambda: tmp_path)
    with initialize_config_module("bench.conf", **compat.VERSION):
        yield tmp_path


def asked(*overrides):
    """A composition, and whether Hydra was asked for it."""
    made = []

    def make():
        made.append(1)
        return compose("config", list(overrides))

    return kept.composition(["config", *overrides], make), bool(made)


def test_what_is_kept_is_what_hydra_composes(place):
    first, made = asked("attack=scripted", "seed=3")
    again, anew = asked("attack=scripted", "seed=3")
    assert (made, anew) == (True, False)
    assert OmegaConf.to_container(first, resolve=False) == OmegaConf.to_container(again, resolve=False)
    assert OmegaConf.to_container(first.attack, resolve=True) == OmegaConf.to_container(again.attack, resolve=True)
    with pytest.raises(ConfigAttributeError):
        again.nowhere  # noqa: B018


def test_other_overrides_and_other_files_are_composed_anew(place, monkeypatch):
    assert asked("seed=1")[1]
    assert asked("seed=2")[1]
    monkeypatch.setattr(kept, "_shipped", lambda: "another release")
    assert asked("seed=1")[1]


def test_a_spoiled_file_is_made_anew_and_no_place_is_no_error(place, monkeypatch):
    asked("seed=1")
    for file in place.iterdir():
        file.write_text("{")
    found, made = asked("seed=1")
    assert made
    assert found.seed == 1
    assert not asked("seed=1")[1]
    (place / "file").write_text("")
    monkeypatch.setattr(kept, "folder", lambda: place / "file" / "below")
    assert asked("seed=1")[0].seed == 1
    monkeypatch.setattr(kept, "folder", lambda: None)
    assert asked("seed=1")[1]


def test_with_folders_of_the_users_own_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "folder", lambda: tmp_path / "kept")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").write_text("seed: 1\n")
    with initialize_config_dir(str(tmp_path / "conf"), **compat.VERSION):
        assert asked()[0].seed == 1
    assert not (tmp_path / "kept").exists()
