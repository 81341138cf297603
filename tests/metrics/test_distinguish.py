"""What an agent gives away: the statistics in battles written by hand, the figure against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from bench.contracts import EnvSpec, Episodes, Labels
from bench.metrics import distinguish as d

NAMES = [f"statistic {k}" for k in range(50)]


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, len(NAMES)))


def test_selection_among_fifty_statistics_of_noise_stays_at_chance():
    """Chosen and judged in the same 200 samples, the best of 50 would have about .58."""
    found = [d.distinguishability(noise(100, 2 * i), noise(100, 2 * i + 1), NAMES).auroc for i in range(30)]
    values = np.array([one.value for one in found])
    assert abs(values.mean() - 0.5) < 3 * values.std() / np.sqrt(len(values))
    assert values.std() < 2 * np.sqrt(1 / 600), "an AUROC of 100 samples each has a standard error of sqrt(1 / 600)"
    covered = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert covered > 0.85


@pytest.mark.parametrize("way", [1, -1])
def test_a_planted_statistic_is_found_with_its_own_auroc(way):
    """Two normal distributions, d standard deviations apart: AUROC = Phi(d / sqrt 2), whichever is higher."""
    one, other = noise(1500, 1), noise(1500, 2)
    other[:, 17] += way * 0.8
    found = d.distinguishability(one, other, NAMES)
    assert found.statistic == NAMES[17]
    assert found.auroc.value == pytest.approx(norm.cdf(0.8 / np.sqrt(2)), abs=0.02)
    assert found.auroc.low < norm.cdf(0.8 / np.sqrt(2)) < found.auroc.high


def test_the_same_samples_twice_are_chance():
    values = noise(400, 3)
    assert d.distinguishability(values, values, NAMES).auroc.value == pytest.approx(0.5)


def test_samples_that_never_meet_are_told_apart_for_certain():
    found = d.distinguishability(np.zeros((40, 2)), np.stack([np.zeros(40), np.ones(40)], 1), ["none", "all"])
    assert (found.auroc.value, found.auroc.low, found.auroc.high, found.statistic) == (1, 1, 1, "all")


def test_too_few_samples_have_no_figure():
    found = d.distinguishability(noise(39, 1), noise(80, 2), NAMES)
    assert found.auroc.value is None
    assert found.statistic is None


SPEC = EnvSpec("game/map", "1", 2, 1, 1, 4, 2, 50, (9.0, 9.0), (30.0, 40.0), ("north", "stop", "pull 0", "pull 1"),
               ("north",), ("own.x",), "it is won", extras=("bar",), bar="bar")


@pytest.fixture
def battle() -> Episodes:
    """One battle of 13 steps, padded to 15. Agent 0 goes north for 10 steps, then acts on outsider 1 beside the other;
    agent 1 stands still for 10 steps, acts on outsider 1, and is out of the battle from step 12 on."""
    steps, played = 15, 13
    action = np.zeros((1, steps, 2), np.uint8)
    action[0, 10:played, 0] = 3
    action[0, :10, 1], action[0, 10:12, 1] = 1, 3
    mask = np.arange(steps)[None] < played
    alive = np.repeat(mask[..., None], 2, -1)
    alive[0, 12, 1] = False
    position = np.zeros((1, steps, 4, 2), np.float32)
    position[0, :, 0, 1] = np.minimum(np.arange(steps), 10)  # agent 0 goes to (0, 10), agent 1 stands at (3, 0)
    position[0, :, 1] = (3, 0)
    position[0, :, 2], position[0, :, 3] = (0, 30), (0, 14)
    present = np.ones((1, steps, 4), bool)
    bar = np.ones((1, steps, 4), np.float32)
    bar[0, 11:, 3] = 0.6  # what both did at step 10
    bar[0, 12:, 3] = 0.2  # and at step 11
    bar[0, 12:, 1] = 0.0
    bar[0, played:] = 0  # padding is nobody's loss
    labels = Labels(np.zeros(1, int), np.ones(1, bool), np.zeros(1, bool), np.zeros((1, steps), bool),
                    np.full(1, -1), position=position, present=present, extras={"bar": bar})
    return Episodes(np.zeros((1, steps, 2, 1), np.float16), np.ones((1, steps, 2, 4), bool), action,
                    np.zeros((1, steps), np.float32), alive, mask, spec=SPEC, hidden_labels=labels)


EXPECTED = {  # of agent 0 and of agent 1
    "north, whole": (10 / 13, 0), "north, early": (1, 0), "stop, early": (0, 1), "pull, middle": (1, 1),
    "pull, late": (0, 0), "same kind of action again": (11 / 13, 10 / 12), "longest run of a kind of action": (10, 10),
    "variety of actions": (-10 / 13 * np.log(10 / 13) - 3 / 13 * np.log(3 / 13), -5 / 6 * np.log(5 / 6)
                           - np.log(1 / 6) / 6),
    "first action on an outsider": (10, 10), "outsiders acted on": (1, 1),
    "acts on an outsider beside others": (2 / 3, 1),
    "idle, early": (0, 1), "distance moved in a step": (10 / 12, 0), "distance from its start, early": (4.5, 0),
    "distance to the nearest teammate, early": (np.mean(np.hypot(3, np.arange(10))),) * 2,
    "distance to the middle of its teammates, early": (np.mean(np.hypot(3, np.arange(10))),) * 2,
    "smallest distance to an outsider": (4, np.hypot(3, 14)),
    "bar lost": (0, 1), "first bar lost": (50, 11), "bar in the end": (1, 0),
    "bar that outsiders lose to it": (0.4, 0.4),
    "steps acted": (13, 12), "acts in the last step": (1, 0), "length of the battle": (13, 13)}


def test_the_statistics_of_a_battle_written_by_hand(battle):
    found = d.statistics(battle)
    assert {name: tuple(found[name][0]) for name in EXPECTED} == {
        name: pytest.approx(values) for name, values in EXPECTED.items()}
    assert all(np.isfinite(values).all() for values in found.values())
    assert 30 <= len(found) <= 50


def test_nobody_near_is_a_diagonal_away(battle):
    labels = replace(battle.labels, present=np.zeros_like(battle.labels.present))
    found = d.statistics(replace(battle, hidden_labels=labels))
    assert found["distance to the nearest outsider, whole"].tolist() == [[50, 50]]
    assert found["smallest distance to an outsider"].tolist() == [[50, 50]]


def test_where_nothing_but_actions_is_known_the_rest_is_left_out(battle):
    labels = replace(battle.labels, position=None, present=None, extras={})
    spec = replace(SPEC, agent_actions=("slower", "idle", "faster", "brake"), bar="")
    found = d.statistics(replace(battle, spec=spec, hidden_labels=labels))
    assert {"brake, early", "steps acted"} <= found.keys()
    assert not [name for name in found if "distance" in name or "outsider" in name]
    assert d.recorded(spec) == ["position", "present"]
    assert d.recorded(SPEC) == ["position", "present", "extras.bar"]


def test_statistics_do_not_depend_on_padding_or_on_other_battles(battle):
    cut = Episodes(*(getattr(battle, name)[:, :13] for name in (
        "observation", "available", "action", "reward", "alive", "mask")), spec=SPEC, hidden_labels=replace(
        battle.labels, trigger=battle.labels.trigger[:, :13], position=battle.labels.position[:, :13],
        present=battle.labels.present[:, :13], extras={"bar": battle.labels.extras["bar"][:, :13]}))
    one, other = d.statistics(battle), d.statistics(cut)
    assert {name: values.tolist() for name, values in one.items()} == {
        name: values.tolist() for name, values in other.items()}
