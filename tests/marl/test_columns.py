"""The table of recorded columns, what they were called before, and teams that lack some."""

from dataclasses import fields

import numpy as np
import pytest

from attacks.backdoor import Backdoor
from attacks.injection import Retraining
from attacks.payloads.reward import HackedReward
from attacks.triggers.always import Always
from bench.artifacts.episodes import load_episodes
from bench.contracts import COLUMNS, RECORDABLE, Episodes, Labels, columns, columns_of, needed
from bench.errors import BenchError
from bench.marl.play import play
from bench.marl.team import RecurrentTeam


class Preferring(RecurrentTeam):
    """A team that knows no values."""

    architecture, algorithms = "rnn_p", ("wish",)

    @classmethod
    def of(cls, algo, spec, tensors):
        raise NotImplementedError

    def learn_on(self, battles, seed, **changes):
        raise NotImplementedError


@pytest.fixture
def without_values(team):
    return Preferring("wish", team.spec, team.weights)


def test_the_table_is_of_the_records():
    others = {"hidden_labels", "spec", "extras"}
    names = {f.name for kind in (Episodes, Labels) for f in fields(kind)} - others
    assert sorted(names) == sorted(COLUMNS)
    assert all(COLUMNS[f.name].label for f in fields(Labels) if f.name != "extras")


def test_every_column_is_recorded_as_the_table_says(battles, team):
    asked = [name for name, column in COLUMNS.items() if column.asked]
    episodes = play(battles, team, 4, 0, trigger=Always(), record=asked)
    found = vars(episodes) | vars(episodes.labels)
    for name in set(COLUMNS) - {"edited", "probe", "alarm"}:
        assert (found[name].ndim, found[name].dtype) == (len(COLUMNS[name].axes), COLUMNS[name].dtype), name
    assert np.array_equal(episodes.values, episodes.preference), "of a value-based team"


def test_a_team_gives_what_it_has(battles, without_values):
    episodes = play(battles, without_values, 4, 0, record=Preferring.columns)
    assert episodes.values is None
    with pytest.raises(BenchError, match=r"^this wish team \(rnn_p\) has no values to record; it has preference, hid"):
        play(battles, without_values, 4, 0, record=RECORDABLE)


def test_a_team_that_no_rule_knows_cannot_be_poisoned(battles, without_values, store):
    attack = Backdoor("x", Always(), HackedReward(), 1, 20, 0.5, "distilled", Retraining.of(steps=1))
    with pytest.raises(BenchError, match=r"distilled does not know how a wish team .* learns; allowed: vdn"):
        attack.inject(without_values, battles, 0, store, lambda *_: None)


class Old:
    """A detector as it was written for 0.8.0."""

    needs = ("q", "hidden")


def test_a_former_name_works_and_is_told_once(make_episodes, tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "_told", set())
    with pytest.warns(UserWarning, match="Old.needs: the column 'q' is now called 'preference'"):
        assert needed(Old()) == ("preference", "hidden")
    episodes = make_episodes([3, 2])
    assert episodes.q is episodes.preference
    record = columns_of(episodes)
    record.pop("values")
    np.savez(tmp_path / "old.npz", q=record.pop("preference"), **record)
    assert np.array_equal(load_episodes(tmp_path / "old.npz").preference, episodes.preference)
